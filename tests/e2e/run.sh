#!/bin/sh
# The tests of what a cluster needs: run.sh RESULTS [PYTEST-ARGUMENT...]
set -u
results=$1
shift
case " $* " in *' tests/'*) ;; *) set -- "$@" tests/e2e ;; esac
python=build/venv/bin/python
wanted=$(cksum tests/e2e/requirements.txt)
mkdir -p "$results/e2e"
sh tests/venv.sh "$results/e2e/venv.log" >/dev/null || : # integration.sh says why
if [ -x "$python" ] && [ "$(cat build/venv/.e2e-made-of 2>/dev/null)" != "$wanted" ]; then
	if "$python" -m pip install -q --disable-pip-version-check -r tests/e2e/requirements.txt >"$results/e2e/pip.log" 2>&1; then
		echo "$wanted" >build/venv/.e2e-made-of
	else
		echo 'e2e: the package index cannot be reached: the checks against the schema of Kubernetes are left out'
	fi
fi
status=0
sh tests/integration.sh "$results/e2e" -rs "$@" || status=$?
[ ! -s "$results/e2e/integration.counts" ] || cp "$results/e2e/integration.counts" "$results/e2e.counts"
exit "$status"
