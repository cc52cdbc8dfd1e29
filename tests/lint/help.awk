# `make help`: awk -f help.awk MAKEFILE... prints the targets that have a text, "target: ... ## text", under the groups that
# lines "##@ group" begin (a group may begin again elsewhere), and then the variables that the head of the first file lists.

/^##@ / {
	group = substr($0, 5)
	if (!(group in targets))
		groups[++count] = group
	targets[group] = targets[group]
}

/^[a-z][a-z0-9-]*:.* ## / {
	name = $0
	sub(/:.*/, "", name)
	text = $0
	sub(/^.* ## /, "", text)
	targets[group] = targets[group] sprintf("  make %-18s %s\n", name, text)
}

/^# Variables:$/ { listing = 1; next }
listing && /^#   / { variables = variables "  " substr($0, 5) "\n"; next }
{ listing = 0 }

END {
	for (i = 1; i <= count; i++)
		printf "%s%s:\n%s", (i > 1 ? "\n" : ""), groups[i], targets[groups[i]]
	if (variables != "")
		printf "\nVariables:\n%s", variables
}
