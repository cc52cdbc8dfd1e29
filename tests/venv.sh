#!/bin/sh
# Makes the virtual environment of the tests, build/venv, from the package index, if it is not what tests/requirements.txt
# asks for: venv.sh LOG. Prints nothing if all is well. Otherwise fails: standard output has the cause in a few words, for
# the caller's own sentence, and standard error the index's last words.
set -eu
log=$1
venv=build/venv
wanted=$(cksum tests/requirements.txt)
mkdir -p build
exec 9>build/.venv-lock
flock 9
[ "$(cat "$venv/.made-of" 2>/dev/null)" != "$wanted" ] || exit 0
rm -rf "$venv"
# Debian has the module venv without what it needs: that is no matter of the index.
python3 -c 'import venv, ensurepip' >"$log" 2>&1 || {
	echo 'python3-venv is missing (make setup-test)'
	exit 1
}
if python3 -m venv "$venv" >"$log" 2>&1 &&
	"$venv/bin/python" -m pip install -q --disable-pip-version-check -r tests/requirements.txt >>"$log" 2>&1; then
	echo "$wanted" >"$venv/.made-of"
	exit 0
fi
tail -n 3 "$log" >&2
rm -rf "$venv"
echo 'the package index cannot be reached'
exit 1
