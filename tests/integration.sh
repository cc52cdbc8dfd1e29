#!/bin/sh
# Runs the integration tests with the built programs: integration.sh RESULTS [PYTEST-ARGUMENT...]
# The Python packages come from the package index into a virtual environment. Where there is none (air-gapped), Debian's
# own pytest does, if it is there or can be installed; tests that need another package are skipped then, and say so.
set -u
results=$1
shift
mkdir -p "$results"
venv=build/venv
wanted=$(cksum tests/requirements.txt)
python=$venv/bin/python

if [ "$(cat "$venv/.made-of" 2>/dev/null)" != "$wanted" ]; then
	rm -rf "$venv"
	if python3 -m venv "$venv" && "$python" -m pip install -q --disable-pip-version-check -r tests/requirements.txt \
		>"$results/pip.log" 2>&1; then
		echo "$wanted" >"$venv/.made-of"
	else
		tail -n 3 "$results/pip.log"
		echo 'integration: the package index cannot be had: tests with botocore are left out, and pytest is the system'"'"'s'
		rm -rf "$venv"
		python=python3
		python3 -c 'import pytest' 2>/dev/null || sh common/deps/setup.sh python3-pytest || {
			echo 'integration: left out altogether: no pytest'
			echo '0 0 1' >"$results/integration.counts"
			exit 0
		}
	fi
fi

# Files or folders among the arguments: only those.
case " $* " in *' tests/'*) ;; *) set -- tests/integration "$@" ;; esac
status=0
"$python" -m pytest -q -rs -p no:cacheprovider --junitxml="$results/integration.xml" "$@" || status=$?
if [ -s "$results/integration.xml" ]; then
	"$python" - "$results/integration.xml" >"$results/integration.counts" <<'END'
import sys
import xml.etree.ElementTree as ET

total = failed = skipped = 0
for suite in ET.parse(sys.argv[1]).getroot().iter("testsuite"):
    total += int(suite.get("tests", 0))
    failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    skipped += int(suite.get("skipped", 0))
print(max(total - failed - skipped, 0), failed, skipped)
END
fi
exit "$status"
