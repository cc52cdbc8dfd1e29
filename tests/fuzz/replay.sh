#!/bin/sh
# Replays the corpus of each fuzz target, each input twice: replay.sh RESULTS PROGRAM...
set -u
results=$1
shift
mkdir -p "$results"
passed=0 failed=0
for program; do
	name=${program##*/}
	log=$results/replay-$name.log
	status=0
	UBSAN_OPTIONS=print_stacktrace=1 "$program" tests/fuzz/corpus/"$name"/* >"$log" 2>&1 || status=$?
	inputs=$(sed -n 's/^\([0-9]*\) inputs replayed$/\1/p' "$log")
	if [ "$status" -eq 0 ] && [ "${inputs:-0}" -gt 0 ]; then
		passed=$((passed + inputs))
		printf 'fuzz-replay: %-14s %4d inputs, each twice\n' "$name" "$inputs"
	else
		failed=$((failed + 1))
		echo "fuzz-replay: $name FAILED on the input named last:"
		tail -n 40 "$log" | sed 's/^/      /'
	fi
done
echo "$passed $failed 0" >"$results/fuzz-replay.counts"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
