#!/bin/sh
# The tests of what a cluster needs: run.sh RESULTS [PYTEST-ARGUMENT...]
set -u
results=$1
shift
case " $* " in *' tests/'*) ;; *) set -- "$@" tests/e2e ;; esac
status=0
sh tests/integration.sh "$results/e2e" -rs "$@" || status=$?
[ ! -s "$results/e2e/integration.counts" ] || cp "$results/e2e/integration.counts" "$results/e2e.counts"
exit "$status"
