#!/bin/sh
# The checks that read our sources: lint.sh FOLDER CHECK...; `lint.sh FOLDER list` names them all.
# Each check prints what it found, and fails if there was anything. In grep patterns a bracket around one letter keeps
# a pattern from finding itself.
set -u
lint=$(cd "$(dirname "$0")" && pwd)
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
	tracked 'common/*.c' 'common/*.h' 'agent/*.c' 'agent/*.h' 'init/*.c' 'init/*.h' 'sidecar/*.c' 'sidecar/*.h' |
		grep -v '^common/deps/'
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
	ours | grep -v '^common/http/http\.c$' | none 'only common/http/http.c may know libcurl' '#include.*curl|\bcurl_[a-z]|\bCURL'
}

check_owner_cjson() {
	ours | grep -v '^common/text/json\.c$' | none 'only common/text/json.c may know cJSON' '#include.*cJSON|\bcJSON_'
}

check_owner_bearssl() {
	ours | grep -vE '^common/(text/hash\.c|aws/sigv4\.c|pod/jws\.c|http/(tls\.c|tls_chain\.[ch]|tls_curves\.[ch]|ca_anchor\.[ch])|serve/tls_(identity|client|setup|server_curves|sessions|link)\.[ch]|serve/tls_(certificates|load|refusal|server|turns)\.c)$' | none 'only hash.c, sigv4.c, jws.c and the files of TLS may know BearSSL' '#include.*bearssl|\bbr_[a-z]'
}

# Who includes whom, by folder (layers.txt), and that nobody depends on himself by way of others.
check_layers() {
	ours | xargs -r python3 "$lint/layers.py" --circles
}

# The heart is free of I/O and of clocks: parsers and the refresh machine are told all that they know.
check_pure() {
	tracked common/source/refresh.c 'common/text/*.c' common/pod/jwt.c common/aws/sigv4.c common/pod/agent_client.c common/pod/agent_error.c \
		common/http/no_proxy.c common/base/timefmt.c common/pod/credentials.c common/serve/request.c common/serve/request_field.c common/serve/request_body.c common/serve/tls_refusal.c common/serve/answer.c sidecar/routes.c sidecar/answers.c sidecar/get/shell_words.c init/labels.c init/shared_config.c common/pod/explain.c init/wait_policy.c |
		none 'no I/O and no clock here' '\b(open|read|write|close|fopen|getenv|socket|clock_now|time|gettimeofday|poll|log_event|LOG)\('
}

check_one_clock() {
	ours | grep -v '^common/base/clock\.c$' | none 'only common/base/clock.c asks what time it is' '\b(clock_gettime|gettimeofday|time)\('
}

# ---- calls ----

check_no_allocation() {
	ours | grep -v '^common/http/http_memory\.c$' | none 'our own code allocates nothing' \
		'\b(malloc|calloc|realloc|reallocarray|free|strdup|strndup|asprintf|vasprintf|getline|alloca|open_memstream|mmap)\('
	# http_memory.c may only in its wrappers that wipe what libcurl gives back.
	status=$?
	[ -f common/http/http_memory.c ] || return $status
	[ "$(grep -cE '\b(malloc|calloc|realloc|strdup)\(' common/http/http_memory.c)" -le 2 ] || {
		echo 'common/http/http_memory.c: one malloc and one calloc, in the wrappers for libcurl, are enough'
		status=1
	}
	return $status
}

check_banned_calls() {
	ours | none 'banned: unbounded, unchecked, or runs a shell' \
		'\b(sprintf|vsprintf|strcpy|stpcpy|strcat|strncpy|strncat|gets|scanf|sscanf|system|popen|atoi|atol|atoll|strtok|rand|mktemp|tmpnam|setjmp|longjmp)\('
}

# What brings more of musl with it than it is worth: numbers are read by number.h, limits are set by prlimit(), pages are
# measured by getpagesize().
check_costly_calls() {
	ours | none 'costly: number_read(), prlimit() and getpagesize() do it with far less of musl' \
		'\b(strtou?ll?|strtou?imax|setrlimit|sysconf)\('
}

# Standard output carries the report, --help and credentials asked for, each written in one place: no stray prints.
check_no_prints() {
	ours | none 'printing goes through a buffer and one write()' '\b(v?printf|puts|putchar|perror|v?fprintf|fputs|fputc|v?dprintf)\('
	status=$?
	# sandbox.c may: the handler of a system call that is not allowed.
	ours | grep '^common/.*\.c$' | grep -v '^common/sandbox/sandbox\.c$' | none 'no exit from library code' '\b(exit|_exit|abort|quick_exit)\(' || status=1
	return $status
}

# ---- form ----

check_file_length() {
	{
		ours
		tracked 'tests/*.c' 'tests/*.h' '*.sh' '*.py' Makefile 'tests/*.mk'
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

check_help() { # `make help` names every target that one calls by name
	status=0
	for name in $(tracked Makefile '*.mk' | xargs -r sed -n 's/^[.]PHONY:\(.*\)/\1/p'); do
		[ "$name" = FORCE ] || tracked Makefile '*.mk' | xargs grep -q "^$name:.* ## [^ ]" || {
			echo "make $name has no text for make help: '$name: ... ## text'"
			status=1
		}
	done
	return $status
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

check_headers() { # each has a guard that is named after its path, and compiles alone (run.sh compiles them)
	status=0
	for f in $(ours | grep '\.h$'); do
		guard=POD_IDENTITY_$(echo "${f#common/}" | tr 'a-z/.' 'A-Z__')
		[ "$(grep -cE "^#(ifndef|define) $guard\$" "$f")" -eq 2 ] || {
			echo "$f: no include guard $guard"
			status=1
		}
	done
	return $status
}

# Manifests are read, copied and patched by people: block style, no anchors, lines that fit. Not the literal texts in them, which are CEL.
check_manifests() {
	tracked 'images/kubernetes/*.yaml' | none 'a line of 120 characters or more' '^.{120}'
	status=$?
	# shellcheck disable=SC2016  # they are awk's
	tracked 'images/kubernetes/*.yaml' | xargs -r awk '
		FNR == 1 { literal = -1 }
		{ match($0, /^ */); if ($0 ~ /[^ ]/ && RLENGTH <= literal) literal = -1 }
		literal < 0 && /^ *(- +)?([^ #"\047][^ ]*: +)?([{&*]|\[)/ && !/: (\{\}|\[\])$/ { print FILENAME ":" FNR ": flow style, anchor or alias: " $0; bad = 1 }
		literal < 0 && /(: |- )[>|][-+]?$/ { literal = RLENGTH }
		END { exit bad }' || status=1
	return $status
}

check_whitespace() {
	{
		ours
		tracked '*.sh' '*.mk' '*.py' '*.md' '*.yaml' Makefile
	} | none 'blanks at the end of a line' '[ 	]+$'
}

checks=$(sed -n 's/^check_\([a-z_]*\)() {.*/\1/p' "$lint/lint.sh")
if [ "$*" = list ]; then
	echo "$checks"
	exit 0
fi
for check; do
	"check_$check" || exit 1
done
