#!/bin/sh
# `make demo`: the toolkit's main job end to end, against the emulator of the EKS Pod Identity Agent.
# Everything happens below build/demo and on loopback; nothing is left running. Secrets are masked on screen.
set -eu
bin=$1
dir=build/demo
rm -rf "$dir"
mkdir -p "$dir/run"
. tests/waiting.sh
trap stop_all EXIT
trap 'exit 130' INT TERM

steps=0
step() {
	steps=$((steps + 1))
	printf '\n== %d. %s\n' "$steps" "$1"
}

mask() {
	sed -E 's/("SecretAccessKey": ?")[^"]*/\1***/; s/("(Session)?Token": ?")[^"]*/\1***/; s/^(aws_(secret_access_key|session_token) = ).*/\1***/'
}

key_id() {
	"$bin/pod-identity-get" --socket="$dir/run/credentials.sock" | sed 's/.*"AccessKeyId":"\([^"]*\)".*/\1/'
}

key_changed() {
	[ "$(key_id)" != "$1" ]
}

step 'A node: the emulator plays the EKS Pod Identity Agent (and EKS Auth behind it)'
python3 tests/emulator --ready-file "$dir/ready" --renew-after 0 \
	--association default/app=arn:aws:iam::123456789012:role/demo >"$dir/emulator.log" 2>&1 &
emulator=$!
until_ok 20 test -s "$dir/ready"
agent=$(sed 's/.*"agent": "\([^"]*\)".*/\1/' "$dir/ready")
echo "it listens on $agent"

step 'A pod: what the webhook injects'
python3 tests/emulator token --ready-file "$dir/ready" --namespace default --service-account app >"$dir/token"
export AWS_CONTAINER_CREDENTIALS_FULL_URI="$agent/v1/credentials"
export AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="$PWD/$dir/token"
env | grep '^AWS_CONTAINER' | sort

step 'pod-identity-init: is everything there, and can credentials be had?'
"$bin/pod-identity-init" --wait=10s --expect-namespace=default --expect-service-account=app --termination-log="$dir/termination-log"

step 'pod-identity-sidecar: fetch once, keep fresh, serve everybody'
"$bin/pod-identity-sidecar" --unix-socket="$PWD/$dir/run/credentials.sock" --http=127.0.0.1:0 \
	--credentials-file="$PWD/$dir/run/credentials" 2>"$dir/sidecar.log" &
sidecar=$!
until_ok 20 "$bin/pod-identity-sidecar" probe --unix-socket="$PWD/$dir/run/credentials.sock"
cat "$dir/sidecar.log"

step 'A client: pod-identity-get, for credential_process'
"$bin/pod-identity-get" --socket="$dir/run/credentials.sock" | mask

step 'A client: curl on the Unix socket'
curl -sS --unix-socket "$dir/run/credentials.sock" http://localhost/v1/credentials | mask
echo

step 'A client: the loopback endpoint that every AWS SDK speaks, with the bearer of this pod'
http=$(sed -n 's/.* http=\([^ ]*\) .*/\1/p' "$dir/sidecar.log")
printf 'header = "Authorization: %s"\n' "$(cat "$dir/run/http-token")" | curl -sS -K - "http://$http/v1/credentials" | mask
echo
printf 'without the bearer: '
curl -sS -o /dev/null -w '%{http_code}\n' "http://$http/v1/credentials"

step 'A file: the shared credentials file'
mask <"$dir/run/credentials"

step 'A forced refresh: SIGUSR1, and everybody has the new credentials'
before=$(key_id)
kill -USR1 "$sidecar"
until_ok 10 key_changed "$before"
after=$(key_id)
echo "access key id before: $before"
echo "access key id after:  $after"
grep -q "$after" "$dir/run/credentials" && echo 'the file has them too'

step 'What it costs'
grep -E '^Vm(HWM|RSS)' "/proc/$sidecar/status"
wc -c "$bin/pod-identity-init" "$bin/pod-identity-sidecar" "$bin/pod-identity-get"

step 'The end: SIGTERM'
status=0
stop_sidecar || status=$?
echo "exit status $status; left in its folder: $(ls "$dir/run")"
[ "$status" -eq 0 ]

printf '\ndemo: %d steps done: the check passed, credentials were served in four ways and refreshed, nothing is left running\n' "$steps"
