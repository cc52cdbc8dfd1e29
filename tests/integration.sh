#!/bin/sh
# Runs the integration tests with the built programs: integration.sh RESULTS [PYTEST-ARGUMENT...]
# The Python packages come from the package index into a virtual environment. Where there is none (air-gapped), Debian's
# own pytest does, if it is there or can be installed; tests that need another package are skipped then, and say so.
#
# In the environment:
#   JOBS=N          so many at once, where pytest-xdist is there; then, one by one, those that are marked `alone`
#   LEAVE_OUT=...   `integration/NAME` leaves out tests/integration/NAME, a folder or a file
#   ALLOW_SKIPS=1   no pytest at all is no failure
set -u
results=$1
shift
mkdir -p "$results"
python=build/venv/bin/python
rm -f "$results"/integration*.xml "$results"/integration.counts "$results"/integration.parts "$results"/integration.skips

missing=$(sh tests/venv.sh "$results/pip.log") || {
	echo "integration: $missing: tests that need botocore are left out, and pytest is the system's"
	python=python3
	python3 -c 'import pytest' 2>/dev/null || sh common/deps/setup.sh python3-pytest python3-pytest-xdist || {
		echo 'integration: not run at all: there is neither a package index nor python3-pytest (make setup-test)'
		printf '1\tno test was run: there is neither a package index nor python3-pytest (make setup-test)\n' >"$results/integration.skips"
		echo '0 0 1' >"$results/integration.counts"
		[ "${ALLOW_SKIPS:-}" = 1 ]
		exit
	}
}

# Files or folders among the arguments: only those.
case " $* " in *' tests/'*) ;; *) set -- tests/integration "$@" ;; esac
for name in ${LEAVE_OUT:-}; do
	case $name in integration/*) set -- "$@" "--ignore=tests/$name" ;; esac
done

run() { # run NAME PYTEST-ARGUMENT...: 5, which is "there were none", is no failure of one part
	name=$1
	shift
	code=0
	"$python" -m pytest -q -rs -p no:cacheprovider --junitxml="$results/$name.xml" "$@" || code=$?
	[ "$code" -eq 5 ] || none=
	[ "$code" -eq 0 ] || [ "$code" -eq 5 ] || status=$code
}

status=0
none=5
if [ "${JOBS:-1}" -gt 1 ] && "$python" -c 'import xdist' 2>/dev/null; then
	run integration -n "$JOBS" --dist loadgroup -m 'not alone' "$@"
	echo 'integration: and one by one, those that measure'
	run integration-alone -m alone "$@"
else
	run integration "$@"
fi
"$python" tests/counts.py "$results" integration "$results"/integration*.xml || status=1
[ "$status" -ne 0 ] || status=${none:-0}
exit "$status"
