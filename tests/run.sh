#!/bin/sh
# Everything that `make test` does: run.sh MAKE STAGE...
# Goes on after a failed stage, so that one run shows all; the last line is "N passed, N failed, N skipped". A stage that
# left no counts of its own counts as one, passed or failed.
set -u
make=$1
shift
results=build/test
rm -rf "$results"
mkdir -p "$results"
passed=0 failed=0 skipped=0 summary=

# Without packages that are missing and cannot be installed, the stages that need them fail by themselves, and say so.
echo '==== set-up'
$make -s --no-print-directory setup-test || echo 'test: going on with what is there'

for stage; do
	echo "==== $stage"
	target=$stage
	[ "$stage" != build ] || target=all
	status=0
	$make -s --no-print-directory "$target" || status=$?
	if [ -s "$results/$stage.counts" ]; then
		read -r p f s <"$results/$stage.counts"
	elif [ "$status" -eq 0 ]; then
		p=1 f=0 s=0
	else
		p=0 f=0 s=0
	fi
	[ "$status" -eq 0 ] || [ "$f" -gt 0 ] || f=1
	verdict=ok
	[ "$f" -eq 0 ] || verdict=FAILED
	summary="$summary$(printf '%-20s %-6s %5d passed, %d failed, %d skipped' "$stage" "$verdict" "$p" "$f" "$s")
"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo '==== summary'
printf '%s' "$summary"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
