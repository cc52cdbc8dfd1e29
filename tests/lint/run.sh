#!/bin/sh
# All of lint: run.sh RESULTS CPPFLAGS. Counts one for each check.
set -u
results=$1
cppflags=$2
mkdir -p "$results"
passed=0 failed=0 skipped=0

check() { # check NAME COMMAND...
	name=$1
	shift
	if "$@" >"$results/lint.out" 2>&1; then
		passed=$((passed + 1))
		echo "lint: ok      $name"
	else
		failed=$((failed + 1))
		echo "lint: FAILED  $name"
		sed 's/^/      /' "$results/lint.out" | head -n 60
	fi
}

with() { # with TOOL NAME COMMAND...: skipped, and said, where the tool is missing
	tool=$1
	shift
	if command -v "$tool" >/dev/null; then
		check "$@"
	else
		skipped=$((skipped + 1))
		echo "lint: skipped $1: $tool is missing (make setup-test)"
	fi
}

files() { # files PATTERN...
	git ls-files --cached --others --exclude-standard -- "$@" | while read -r f; do [ ! -f "$f" ] || echo "$f"; done
}

for name in $(sh tests/lint/lint.sh . list); do
	check "$name" sh tests/lint/lint.sh . "$name"
done

headers_alone() {
	for h in $(files 'common/*.h' 'init/*.h' 'sidecar/*.h' 'agent/*.h'); do
		# shellcheck disable=SC2086  # flags are a list of words
		gcc $cppflags -std=c11 -Wall -Wextra -Werror -fsyntax-only -x c "$h" -Wno-pragma-once-outside-header || return 1
	done
}

cppcheck_sources() {
	# shellcheck disable=SC2046
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,performance,portability \
		--suppressions-list=tests/lint/cppcheck.txt --library=posix -D_GNU_SOURCE -D__GNUC__ -I. $(files 'common/*.c' 'init/*.c' 'sidecar/*.c' 'agent/*.c')
}

shell_scripts() {
	{
		files '*.sh'
		files '.ci/*' '*' | while read -r f; do
			head -c 64 "$f" | head -n 1 | grep -aqE '^#!/(usr/)?bin/(env )?(ba|da)?sh' && echo "$f"
		done
	} | sort -u
}

shellcheck_scripts() {
	shell_scripts | xargs shellcheck
}

python_compiles() {
	files '*.py' | xargs python3 -c '
import sys
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as f:
        compile(f.read(), path, "exec", dont_inherit=True)'
}

format_sources() {
	files '*.c' '*.h' | xargs clang-format --dry-run --Werror
}

check headers_alone headers_alone
with clang-format clang-format format_sources
with cppcheck cppcheck cppcheck_sources
with shellcheck shellcheck shellcheck_scripts
with python3 python python_compiles
check self_test sh tests/lint/selftest.sh

echo "$passed $failed $skipped" >"$results/lint.counts"
echo "lint: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
