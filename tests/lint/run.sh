#!/bin/sh
# All of lint: run.sh RESULTS CPPFLAGS. Counts one for each check.
# It says the same on each Debian: the layout is judged by the clang-format of tests/requirements.txt, and C by one version
# of cppcheck; what another version finds is advice.
set -u
results=$1
cppflags=$2
mkdir -p "$results"
passed=0 failed=0 skipped=0
CPPCHECK_DECIDES=2.10
CLANG_FORMAT=$(sed -n 's/^clang-format==//p' tests/requirements.txt)
: >"$results/lint.skips"

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

skip() { # skip NAME REASON
	skipped=$((skipped + 1))
	echo "lint: skipped $1: $2"
	printf '1\t%s: %s\n' "$1" "$2" >>"$results/lint.skips"
}

with() { # with TOOL NAME COMMAND...: skipped, and said, where the tool is missing
	tool=$1
	shift
	if command -v "$tool" >/dev/null; then
		check "$@"
	else
		skip "$1" "no $tool (make setup-test)"
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
	files '*.c' '*.h' | xargs "$clang_format" --dry-run --Werror
}

# Versions differ in where they put braces: the pinned one, or this machine's if it is that one.
format() {
	for clang_format in build/venv/bin/clang-format clang-format; do
		found=$("$clang_format" --version 2>/dev/null | sed -n 's/.*version \([0-9.]*[0-9]\).*/\1/p')
		if [ "${found:-none}" = "$CLANG_FORMAT" ]; then
			check clang-format format_sources
			return
		fi
	done
	skip clang-format "no clang-format $CLANG_FORMAT: $missing, and this machine has ${found:-none}"
}

# Form and spelling of the documentation, by pinned tools of the package index.
markdown() {
	files '*.md' | xargs build/venv/bin/pymarkdown -c tests/lint/markdown.json scan
}

spelling() {
	files '*.md' '*.c' '*.h' '*.sh' '*.py' '*.mk' '*.yaml' Makefile | grep -vE '^tests/(sigv4-test-suite|fuzz/corpus)/' |
		xargs build/venv/bin/codespell --ignore-words=tests/lint/words.txt
}

documentation() {
	for tool in pymarkdown:markdown codespell:spelling; do
		if [ -x "build/venv/bin/${tool%:*}" ]; then
			check "${tool#*:}" "${tool#*:}"
		else
			skip "${tool#*:}" "no ${tool%:*}: $missing"
		fi
	done
}

cppcheck_by_one() {
	found=$(cppcheck --version 2>/dev/null | sed -n 's/^Cppcheck \([0-9]*\.[0-9]*\).*/\1/p')
	if [ "$found" = "$CPPCHECK_DECIDES" ] || [ -z "$found" ] || cppcheck_sources >"$results/cppcheck.out" 2>&1; then
		with cppcheck cppcheck cppcheck_sources
	else
		sed 's/^/      /' "$results/cppcheck.out" | head -n 60
		skip cppcheck "$found finds what is above, but $CPPCHECK_DECIDES decides, so this is advice"
	fi
}

if echo '#include <string.h>' | gcc -fsyntax-only -x c - 2>/dev/null; then
	check headers_alone headers_alone
else
	skip headers_alone 'no libc6-dev (make setup-test)'
fi
missing=$(sh tests/venv.sh "$results/pip.log") || echo "lint: $missing"
format
documentation
cppcheck_by_one
with shellcheck shellcheck shellcheck_scripts
with python3 python python_compiles
# shellcheck disable=SC2046  # names of files are a list of words
with python3 links python3 tests/lint/links.py $(files '*.md')
check self_test sh tests/lint/selftest.sh
check test_self_test sh tests/selftest.sh

echo "$passed $failed $skipped" >"$results/lint.counts"
echo "lint: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
