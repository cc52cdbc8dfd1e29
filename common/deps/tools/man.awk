# A manual page out of what a program's --help prints, which is made from its table of options: the only source of both.
#   pod-identity-init --help | awk -v program=pod-identity-init -v version=0.1.0 -f man.awk >pod-identity-init.1

function escaped(text) {
	gsub(/\\/, "\\e", text)
	gsub(/-/, "\\-", text)
	if (text ~ /^[.']/)
		text = "\\\\&" text
	return text
}

# Ends a block of lines that stand as they are.
function close_block() {
	if (verbatim)
		print ".EE"
	verbatim = 0
}

function heading(text) {
	close_block()
	print ".SH " toupper(text)
	fresh = 1
}

function item(term, text) {
	close_block()
	print ".TP\n.B " escaped(term)
	if (text != "")
		print escaped(text)
	fresh = 0
}

BEGIN {
	print ".\\\" Made from --help by common/deps/tools/man.awk."
	printf ".TH %s 1 \"\" \"%s %s\" \"pod\\-identity toolkit\"\n", toupper(escaped(program)), escaped(program), version
	print ".SH NAME\n" escaped(program) " \\- " (program ~ /get$/ ? "hands on the credentials of a pod's sidecar" : \
		program ~ /init$/ ? "checks the AWS identity of a pod before it starts" : \
		program ~ /sidecar$/ ? "keeps a pod's AWS credentials fresh and serves them" : \
		program ~ /agent$/ ? "hands AWS credentials to the pods of a node" : "injects AWS identities into new pods")
}

/^Usage: / || (usage && /^       /) {
	if (!usage)
		print ".SH SYNOPSIS"
	else
		print ".br"
	usage = 1
	sub(/^Usage: +/, "")
	sub(/^ +/, "")
	print ".B " escaped($0)
	next
}

/^$/ {
	if (usage && !described) {
		print ".SH DESCRIPTION"
		usage = 0
		described = fresh = 1
	} else {
		close_block()
		blank = 1
	}
	next
}

# "Options:", "Source of the credentials:"; "Examples:" and what is quoted stand as they are.
/^[A-Z][^.:]*:$/ {
	sub(/:$/, "")
	heading($0)
	quoted = /^Examples|^In the AWS/
	blank = 0
	next
}

quoted && /^ / {
	if (!verbatim)
		print ".EX"
	verbatim = 1
	print escaped($0)
	next
}

# "  --name=VALUE   what it does", "  -c, --cluster-name NAME   …", "  command   …"
/^ +(-|[a-z])/ && match($0, /^ +/) && RLENGTH < 10 {
	line = substr($0, RLENGTH + 1)
	at = match(line, /   */)
	item(at ? substr(line, 1, at - 1) : line, at ? substr(line, at + RLENGTH) : "")
	blank = 0
	next
}

{
	sub(/^ +/, "")
	if (blank && !fresh)
		print ".PP"
	blank = fresh = 0
	quoted = 0
	print escaped($0)
}

END {
	close_block()
	print ".SH SEE ALSO"
	all = "pod-identity-agent pod-identity-get pod-identity-init pod-identity-sidecar pod-identity-webhook"
	count = split(all, names, " ")
	for (i = 1; i <= count; i++) {
		if (names[i] != program)
			seen = seen (seen == "" ? "" : ",\n") ".BR " escaped(names[i]) " (1)"
	}
	gsub(/\(1\),/, "(1),", seen)
	print seen
}
