#!/bin/sh
# Fuzzes each target for so many seconds, over its corpus: fuzz.sh SECONDS PROGRAM...
# New inputs are kept in build/fuzz/NAME, what breaks a target in build/fuzz/findings. After a run,
#   build/host/fuzz/NAME -merge=1 tests/fuzz/corpus/NAME build/fuzz/NAME
# takes over those that reach something new.
set -u
seconds=$1
shift
status=0
mkdir -p build/fuzz/findings
for program; do
	name=${program##*/}
	mkdir -p "build/fuzz/$name"
	dictionary=
	[ ! -f "tests/fuzz/$name.dict" ] || dictionary=-dict=tests/fuzz/$name.dict
	echo "fuzz: $name for $seconds s"
	UBSAN_OPTIONS=print_stacktrace=1 "$program" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix="build/fuzz/findings/$name-" ${dictionary:+"$dictionary"} "build/fuzz/$name" "tests/fuzz/corpus/$name" \
		>"build/fuzz/$name.log" 2>&1 || {
		status=1
		tail -n 50 "build/fuzz/$name.log"
		echo "fuzz: $name FAILED; the input is in build/fuzz/findings"
		continue
	}
	grep -E 'number_of_executed_units|new_units_added' "build/fuzz/$name.log" | sed 's/^stat::/      /'
done
exit $status
