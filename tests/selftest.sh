#!/bin/sh
# `make test` has to be able to fail: run.sh and integration.sh, in a small tree with a `make` of our own, must see a suite
# that did not run, a part that is missing and a stage that ended badly, and must tell each skip with its reason.
set -u
tree=build/test-selftest
status=0
rm -rf "$tree"
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/tests" "$tree/common/deps" "$tree/bin"
cp tests/run.sh tests/integration.sh tests/venv.sh tests/counts.py tests/requirements.txt "$tree/tests/"
printf '# a comment\nbuild 1\nunit 10\nintegration/sidecar 5\nintegration/others 1\n' >"$tree/tests/floors.txt"
# The `make`: a stage is a script beside it, if there is one.
cat >"$tree/bin/make" <<'END'
#!/bin/sh
for stage; do :; done
[ ! -f "$stage" ] || . "./$stage"
END
chmod +x "$tree/bin/make"

stage() { # stage NAME COMMANDS
	printf '%s\n' "$2" >"$tree/$1"
}

good() {
	stage unit 'echo 12 0 0 >build/test/unit.counts'
	stage integration 'echo 7 0 1 >build/test/integration.counts
printf "integration/others 2 0 0\nintegration/sidecar 5 0 1\n" >build/test/integration.parts
printf "1\tno strace\n" >build/test/integration.skips'
}

expect() { # expect STATUS WORDS [VARIABLE=VALUE...]: of a run; WORDS stand in its output
	wanted=$1
	words=$2
	shift 2
	got=0
	(cd "$tree" && env -u ALLOW_SKIPS -u LEAVE_OUT "$@" sh tests/run.sh bin/make build unit integration) >"$tree/out" 2>&1 || got=$?
	if [ "$got" -ne "$wanted" ] || ! grep -qF -e "$words" "$tree/out"; then
		echo "selftest: wanted exit $wanted and \"$words\", got exit $got and:"
		sed 's/^/      /' "$tree/out"
		status=1
	fi
}

good
expect 0 '20 passed, 0 failed, 1 skipped'
expect 0 'skipped: 1 of integration: no strace'

stage unit 'echo 9 0 0 >build/test/unit.counts'
expect 1 'too few: unit: 9 passed, at least 10 must'
expect 0 'too few: unit: 9 passed, at least 10 must' ALLOW_SKIPS=1

stage unit 'echo 0 0 12 >build/test/unit.counts; printf "12\tnot here\n" >build/test/unit.skips'
expect 1 'skipped: 12 of unit: not here'
stage unit 'exit 0'
expect 1 'too few: unit: 1 passed, at least 10 must'
stage unit 'echo 12 0 0 >build/test/unit.counts; exit 3'
expect 1 '12 passed, 1 failed, 0 skipped'
expect 1 '12 passed, 1 failed, 0 skipped' ALLOW_SKIPS=1

good
stage integration 'echo 9 0 0 >build/test/integration.counts; echo integration/others 9 0 0 >build/test/integration.parts'
expect 1 'too few: integration/sidecar: 0 passed, at least 5 must'
expect 0 'integration/sidecar  left out' LEAVE_OUT=integration/sidecar
stage unit 'exit 1'
expect 0 'unit                 left out' LEAVE_OUT='unit integration/sidecar'
sed -i '/^unit /d' "$tree/tests/floors.txt"
good
expect 1 'too few: unit: no floor in tests/floors.txt'

# Neither a package index nor pytest: integration.sh counts that as skipped, says why, and fails.
printf '#!/bin/sh\nexit 1\n' >"$tree/bin/python3"
chmod +x "$tree/bin/python3"
cp "$tree/bin/python3" "$tree/common/deps/setup.sh"
without_pytest() {
	(cd "$tree" && PATH="$PWD/bin:$PATH" env -u ALLOW_SKIPS -u LEAVE_OUT "$@" sh tests/integration.sh results) >"$tree/out" 2>&1
}
without_pytest && echo 'selftest: integration.sh succeeds without pytest' && status=1
[ "$(cat "$tree/results/integration.counts")" = '0 0 1' ] || status=1
grep -q '^1	no test was run' "$tree/results/integration.skips" || status=1
says() { # says TEXT: what was said of a missing Python package
	grep -qF "integration: $1: tests that need botocore are left out" "$tree/out" || {
		echo "selftest: integration.sh does not say \"$1\", but:"
		sed 's/^/    /' "$tree/out"
		status=1
	}
}
says 'python3-venv is missing (make setup-test)'
# shellcheck disable=SC2016  # $2 is that script's
printf '#!/bin/sh\n[ "$2" = "import venv, ensurepip" ]\n' >"$tree/bin/python3"
without_pytest && echo 'selftest: integration.sh succeeds without an index' && status=1
says 'the package index cannot be reached'
without_pytest ALLOW_SKIPS=1 || {
	echo 'selftest: integration.sh fails without pytest in spite of ALLOW_SKIPS=1'
	status=1
}

# counts.py: failures, errors, skips with their reasons, and the folders.
cat >"$tree/one.xml" <<'END'
<testsuites><testsuite>
<testcase classname="tests.integration.sidecar.test_a" name="a"/>
<testcase classname="tests.integration.sidecar.test_a" name="b"><failure message="x">x</failure></testcase>
<testcase classname="tests.integration.sidecar.test_b.TestC" name="c"><skipped message="no  strace">x</skipped></testcase>
<testcase classname="tests.integration.test_d" name="d"><error message="x">x</error></testcase>
<testcase classname="tests.integration.test_d" name="e"/>
<testcase classname="" name="tests.integration.test_f"><skipped message="collection skipped">('/x/test_f.py', 3, 'Skipped: no module')</skipped></testcase>
</testsuite></testsuites>
END
cat >"$tree/two.xml" <<'END'
<testsuites><testsuite>
<testcase classname="" name="tests.integration.test_f"><skipped message="collection skipped">('/x/test_f.py', 3, 'Skipped: no module')</skipped></testcase>
</testsuite></testsuites>
END
python3 tests/counts.py "$tree" one "$tree/one.xml" "$tree/two.xml"
counted=$(cat "$tree/one.counts" "$tree/one.parts" "$tree/one.skips")
[ "$counted" = "$(printf '2 2 2\none/others 1 1 1\none/sidecar 1 1 1\n1\tno strace\n1\tno module')" ] || {
	echo "selftest: counts.py counted:"
	echo "$counted"
	status=1
}
exit $status
