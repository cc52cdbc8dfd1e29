#!/bin/sh
# The checks that read our sources: lint.sh FOLDER CHECK...; `lint.sh FOLDER list` names them all.
# Each check prints what it found, and fails if there was anything. In grep patterns a bracket around one letter keeps
# a pattern from finding itself.
set -u
cd "$1" || exit 2
shift

tracked() { # tracked PATTERN...: files of the repository, or of a copy that is none
	if [ "$(git rev-parse --show-prefix 2>/dev/null || echo none)" = "" ]; then
		git ls-files --cached --others --exclude-standard -- "$@" | while read -r f; do [ ! -f "$f" ] || echo "$f"; done
	else
		for pattern; do
			find . -path ./build -prune -o -type f -path "./$pattern" -print | sed 's|^\./||'
		done
	fi | sort -u
}

ours() { # our C sources and headers
	tracked 'common/*.c' 'common/*.h' 'init/*.c' 'init/*.h' 'sidecar/*.c' 'sidecar/*.h'
}

none() { # none MESSAGE GREP-ARGUMENT...: nothing may match in the files that come on standard input
	message=$1
	shift
	found=$(xargs -r grep -nE "$@" /dev/null) || :
	[ -z "$found" ] || {
		echo "$message:"
		echo "$found"
		return 1
	}
}

# ---- architecture ----

check_owner_curl() {
	ours | grep -v '^common/http\.c$' | none 'only common/http.c may know libcurl' '#include.*curl|\bcurl_[a-z]|\bCURL'
}

check_owner_cjson() {
	ours | grep -v '^common/json\.c$' | none 'only common/json.c may know cJSON' '#include.*cJSON|\bcJSON_'
}

check_owner_bearssl() {
	ours | grep -vE '^common/(hash|sigv4|tls)\.c$' | none 'only hash.c, sigv4.c and tls.c may know BearSSL' '#include.*bearssl|\bbr_[a-z]'
}

includes_only() { # includes_only FOLDERS: of the files that come on standard input
	found=$(xargs -r grep -nE '#include "' /dev/null | grep -vE "#include \"($1)/[a-z0-9_]+\.h\"") || :
	[ -z "$found" ] || {
		echo "only $1 may be included here, by its full path:"
		echo "$found"
		return 1
	}
}

check_includes_common() {
	tracked 'common/*.c' 'common/*.h' | includes_only common
}

check_includes_init() {
	tracked 'init/*.c' 'init/*.h' | includes_only 'common|init'
}

check_includes_sidecar() {
	tracked 'sidecar/*.c' 'sidecar/*.h' | includes_only 'common|sidecar'
}

# Dependencies within common/ point one way (layers.txt).
check_layers() {
	# shellcheck disable=SC2016  # awk's, not the shell's
	tracked 'common/*.c' 'common/*.h' | xargs -r awk '
		FILENAME == layers { if ($1 !~ /^#/) { level++; for (i = 1; i <= NF; i++) at[$i] = level }; next }
		function module(path) { sub(/.*\//, "", path); sub(/\.[ch]$/, "", path); return path }
		FNR == 1 && !(module(FILENAME) in at) { print FILENAME ": has no layer in " layers; bad = 1 }
		/^#include "common\// {
			split($0, part, "\""); from = module(FILENAME); to = module(part[2])
			if ((from in at) && (to in at) && at[to] > at[from]) { print FILENAME ": includes " part[2] ", a layer above"; bad = 1 }
		}
		END { exit bad }' layers=tests/lint/layers.txt tests/lint/layers.txt
}

# The heart is free of I/O and of clocks: parsers and the refresh machine are told all that they know.
check_pure() {
	tracked common/refresh.c common/json.c common/jwt.c common/ini.c common/sigv4.c common/agent.c common/agent_error.c common/no_proxy.c common/timefmt.c common/uri.c \
		common/credentials.c sidecar/request.c sidecar/routes.c sidecar/answers.c sidecar/shell_words.c init/labels.c init/shared_config.c init/explain.c init/wait_policy.c |
		none 'no I/O and no clock here' '\b(open|read|write|close|fopen|getenv|socket|clock_now|time|gettimeofday|poll|log_event|LOG)\('
}

check_one_clock() {
	ours | grep -v '^common/clock\.c$' | none 'only common/clock.c asks what time it is' '\b(clock_gettime|gettimeofday|time)\('
}

# ---- calls ----

check_no_allocation() {
	ours | grep -v '^common/http\.c$' | none 'our own code allocates nothing' \
		'\b(malloc|calloc|realloc|reallocarray|free|strdup|strndup|asprintf|vasprintf|getline|alloca|open_memstream|mmap)\('
	# http.c may only in its wrappers that wipe what libcurl gives back.
	status=$?
	[ -f common/http.c ] || return $status
	[ "$(grep -cE '\b(malloc|calloc|realloc|strdup)\(' common/http.c)" -le 1 ] || {
		echo 'common/http.c: one call that allocates, in the wrappers for libcurl, is enough'
		status=1
	}
	return $status
}

check_banned_calls() {
	ours | none 'banned: unbounded, unchecked, or runs a shell' \
		'\b(sprintf|vsprintf|strcpy|stpcpy|strcat|strncpy|strncat|gets|scanf|sscanf|system|popen|atoi|atol|atoll|strtok|rand|mktemp|tmpnam|setjmp|longjmp)\('
}

# Standard output carries the report, --help and credentials asked for, each written in one place: no stray prints.
check_no_prints() {
	ours | none 'printing goes through a buffer and one write()' '\b(v?printf|puts|putchar|perror|v?fprintf|fputs|fputc|v?dprintf)\('
	status=$?
	tracked 'common/*.c' | none 'no exit from library code' '\b(exit|_exit|abort|quick_exit)\(' || status=1
	return $status
}

# ---- form ----

check_file_length() {
	{
		ours
		tracked 'tests/*.c' 'tests/*.h' '*.sh' Makefile 'tests/*.mk'
	} | xargs -r awk 'FNR == 1 { count[FILENAME] = 0 } { count[FILENAME]++ }
		END { for (f in count) if (count[f] > 450) { print f ": " count[f] " lines, more than 450"; bad = 1 }; exit bad }'
}

check_function_length() { # by the layout that clang-format makes: a function ends in a brace at the start of a line
	ours | xargs -r awk '
		FNR == 1 { start = 0 }
		/^[a-zA-Z].*\{$/ && /\(/ || /^ .*\) \{$/ && !start { start = FNR }
		/^}/ { if (start && FNR - start > 60) { print FILENAME ":" start ": a function of " FNR - start " lines"; bad = 1 }; start = 0 }
		END { exit bad }'
}

check_leftovers() {
	tracked '*' | grep -vE '^tests/sigv4-test-suite/|^tests/fuzz/corpus/' | none 'left over' '\b(T[O]DO|F[I]XME|X[X]X)\b'
}

check_hosts() { # no mirror or package registry: where packages come from is the machine's business
	tracked '*' | grep -vE '^tests/(sigv4-test-suite|fuzz/corpus)/' | none 'a package registry or mirror is named' -i \
		'(deb|security|ftp|snapshot|archive)[.](debian|ubuntu)[.](org|com)|p[y]pi[.]|p[y]thonhosted|registry[.]n[p]mjs|p[r]oxy[.]golang|m[i]rrors?[.][a-z]+[.]'
}

check_machine_words() { # nothing of the machine where it was written
	tracked '*' | grep -vE '^tests/(sigv4-test-suite|fuzz/corpus)/' | none 'a path or tool of one machine is named' \
		'f[a]rm-(studio|bench)|[.]l[i]brary\b|/w[o]rk/|/h[o]me/[a-z]'
}

check_headers() { # each has a guard, and compiles alone (run.sh compiles them)
	status=0
	for f in $(ours | grep '\.h$'); do
		[ "$(grep -cE '^#(ifndef|define) POD_IDENTITY_[A-Z0-9_]*_H$' "$f")" -eq 2 ] || {
			echo "$f: no include guard POD_IDENTITY_..._H"
			status=1
		}
	done
	return $status
}

check_whitespace() {
	{
		ours
		tracked '*.sh' '*.mk' '*.py' '*.md' '*.yaml' Makefile
	} | none 'blanks at the end of a line' '[ 	]+$'
}

checks=$(sed -n 's/^check_\([a-z_]*\)() {.*/\1/p' "$OLDPWD/tests/lint/lint.sh")
if [ "$*" = list ]; then
	echo "$checks"
	exit 0
fi
for check; do
	"check_$check" || exit 1
done
