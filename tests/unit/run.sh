#!/bin/sh
# Runs unit test programs: run.sh RESULTS PROGRAM...
# Each program's TAP goes to RESULTS/NAME.tap, the sum to RESULTS/unit.counts. A program that ends before all of its
# tests have reported (a crash, a sanitizer) has the missing ones counted as failed.
set -u
results=$1
shift
mkdir -p "$results"
: >"$results/unit.skips"
passed=0 failed=0 skipped=0
for program; do
	name=${program##*/}
	tap=$results/$name.tap
	status=0
	CMOCKA_MESSAGE_OUTPUT=TAP ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
		"$program" >"$tap" 2>"$tap.err" || status=$?
	planned=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$tap")
	skip=$(grep -c '^[a-z ]*[0-9]* # SKIP' "$tap")
	ok=$(grep -c '^ok [0-9]* - ' "$tap")
	bad=$((${planned:-1} - ok - skip))
	[ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
	printf 'unit: %-22s %3d passed, %d failed, %d skipped\n' "$name" "$ok" "$bad" "$skip"
	sed -n 's/.*# SKIP \(.*\)/      skipped: \1/p' "$tap"
	grep '^skipped: ' "$tap.err" | sed 's/^/      /'
	# The reasons that SKIP() of unit.h gave; a skip without one has the name of its test.
	if [ "$(grep -c '^skipped: ' "$tap.err")" -eq "$skip" ]; then
		sed -n 's/^skipped: [^:]*: /1	/p' "$tap.err"
	else
		sed -n 's/.*# SKIP \(.*\)/1	\1/p' "$tap"
	fi >>"$results/unit.skips"
	if [ "$bad" -gt 0 ]; then
		grep -v '^ok \|# SKIP' "$tap" | tail -n 40 | sed 's/^/      /'
		tail -n 60 "$tap.err" | sed 's/^/      /'
	fi
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
done
echo "$passed $failed $skipped" >"$results/unit.counts"
echo "unit: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
