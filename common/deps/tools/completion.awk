# Completion for bash out of what --help prints: options with "=" where they take a value, and commands.
#   { echo '# pod-identity-get'; pod-identity-get --help; … } | awk -f completion.awk >pod-identity

/^# pod-identity-/ {
	program = $2
	names = names " " program
	section = ""
	next
}

/^[A-Z][^.:]*:$/ {
	section = $0
	next
}

section == "Commands:" && match($0, /^  [a-z]+/) && !/^   / {
	words[program] = words[program] " " $1
}

# Not where a text goes on in the next line.
/^ +(-[a-zA-Z], )?--[a-z]/ && match($0, /^ +/) && RLENGTH < 10 {
	line = $0
	sub(/^ +(-[a-zA-Z], )?/, "", line)
	match(line, /^--[a-z0-9-]+/)
	word = substr(line, 1, RLENGTH)
	rest = substr(line, RLENGTH + 1)
	words[program] = words[program] " " word (rest ~ /^[= ][A-Z]/ ? "=" : "")
}

END {
	print "# bash completion for the pod-identity toolkit; made from --help by common/deps/tools/completion.awk."
	print "_pod_identity() {"
	print "\tlocal words= current=${COMP_WORDS[COMP_CWORD]}"
	print "\tCOMPREPLY=()"
	print "\tcase ${1##*/} in"
	count = split(names, all, " ")
	for (i = 1; i <= count; i++)
		print "\t" all[i] ") words='" substr(words[all[i]], 2) "' ;;"
	print "\tesac"
	print "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$current\"))"
	print "\t[[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null"
	print "}"
	print "complete -F _pod_identity" names
}
