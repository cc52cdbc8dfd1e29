#!/bin/sh
# Everything that `make test` does: run.sh MAKE STAGE...
# Goes on after a failed stage, so that one run shows all; the last line is "N passed, N failed, N skipped".
#
# A stage may leave, in build/test:
#   STAGE.counts   passed failed skipped; without it the stage counts as one, passed or failed
#   STAGE.parts    STAGE/PART passed failed skipped: what the counts are made of
#   STAGE.skips    count, a tab, the reason
#
# A suite that did not run is not green: tests/floors.txt says how many tests of each stage and part must pass at least.
# In the environment:
#   LEAVE_OUT='STAGE STAGE/PART ...'   these are not run, and said to be left out
#   ALLOW_SKIPS=1                      floors are told, and are no failure
set -u
make=$1
shift
results=build/test
floors=tests/floors.txt
rm -rf "$results"
mkdir -p "$results"
passed=0 failed=0 skipped=0 below='' summary=''
export LEAVE_OUT="${LEAVE_OUT:-}" ALLOW_SKIPS="${ALLOW_SKIPS:-}"

left_out() {
	case " $LEAVE_OUT " in *" $1 "*) return 0 ;; esac
	return 1
}

# floor NAME PASSED: below the floor is one more failure, of the stage that is under way
floor() {
	least=$(sed -n "s|^$1[ 	][ 	]*\([0-9]*\)\$|\1|p" "$floors")
	if [ -z "$least" ]; then
		below="$below$1: no floor in $floors
"
	elif [ "$2" -lt "$least" ]; then
		below="$below$1: $2 passed, at least $least must ($floors)
"
	else
		return 0
	fi
	[ "$ALLOW_SKIPS" = 1 ] || f=$((f + 1))
}

case " ${MAKEFLAGS:-}" in *' -j'*) ;; *) make="$make -j$(nproc)" ;; esac

# Without packages that are missing and cannot be installed, the stages that need them fail by themselves, and say so.
echo '==== set-up'
$make -s --no-print-directory setup-test || echo 'test: going on with what is there'

for stage; do
	if left_out "$stage"; then
		summary="$summary$(printf '%-20s left out' "$stage")
"
		continue
	fi
	echo "==== $stage"
	target=$stage
	[ "$stage" != build ] || target=all
	status=0
	since=$(date +%s)
	$make -s --no-print-directory "$target" || status=$?
	seconds=$(($(date +%s) - since))
	if [ -s "$results/$stage.counts" ]; then
		read -r p f s <"$results/$stage.counts"
	elif [ "$status" -eq 0 ]; then
		p=1 f=0 s=0
	else
		p=0 f=0 s=0
	fi
	[ "$status" -eq 0 ] || [ "$f" -gt 0 ] || f=1
	parts=$(sed -n "s|^\($stage/[^ 	]*\)[ 	].*|\1|p" "$floors")
	for part in $parts; do
		left_out "$part" || floor "$part" "$(sed -n "s|^$part \([0-9]*\) .*|\1|p" "$results/$stage.parts" 2>/dev/null | grep . || echo 0)"
	done
	[ -n "$parts" ] || floor "$stage" "$p"
	verdict=ok
	[ "$f" -eq 0 ] || verdict=FAILED
	summary="$summary$(printf '%-20s %-6s %5d passed, %d failed, %d skipped, %d s' "$stage" "$verdict" "$p" "$f" "$s" "$seconds")
"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo '==== summary'
printf '%s' "$summary"
for part in $LEAVE_OUT; do
	case $part in */*) printf '%-20s left out\n' "$part" ;; esac
done
for stage; do
	[ ! -s "$results/$stage.skips" ] || sed "s|^\([0-9]*\)	|skipped: \1 of $stage: |" "$results/$stage.skips"
done
if [ -n "$below" ]; then
	printf '%s' "$below" | sed 's/^/too few: /'
	[ "$ALLOW_SKIPS" = 1 ] || echo 'too few: a suite that did not run is no success; ALLOW_SKIPS=1 accepts it'
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
