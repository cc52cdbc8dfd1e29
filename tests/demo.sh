#!/bin/sh
# `make demo`: the toolkit's main job, against the emulator of the EKS Pod Identity Agent: demo.sh MAKE BIN PACKAGE...
# First three pods that fail, each with the one line that says why, then the good way. In all under 100 lines of 100 columns.
# Everything happens on loopback, below build/demo, and in a folder of /tmp that other users can enter. Nothing is left
# running. Secrets are masked on screen.
set -eu
make=$1
bin=$2
shift 2
dir=${DEMO_DIR:-build/demo}
log=$dir/setup.log
rm -rf "$dir"
mkdir -p "$dir"
. tests/waiting.sh
pod=$(mktemp -d /tmp/pod-identity-demo.XXXXXX)
chmod 755 "$pod"
run=$pod/run
mkdir "$run"
init=$bin/pod-identity-init
trap 'stop_all; rm -rf "$pod"' EXIT
trap 'exit 130' INT TERM

steps=0
step() {
	steps=$((steps + 1))
	printf '\n== %d. %s\n' "$steps" "$1"
}

narrow() { # lines of at most 100 columns, broken at blanks and indented
	fold -s -w 98 | sed 's/^/  /; s/ *$//'
}

mask() {
	sed -E 's/("SecretAccessKey": ?")[^"]*/\1***/; s/("(Session)?Token": ?")[^"]*/\1***/; s/,/, /g'
}

key_id() {
	"$bin/pod-identity-get" --unix-socket="$run/credentials.sock" | sed 's/.*"AccessKeyId":"\([^"]*\)".*/\1/'
}

key_changed() {
	[ "$(key_id)" != "$1" ]
}

# quietly WHAT COMMAND...: one line on screen; what the command says goes into the log, which is named if it fails
quietly() {
	what=$1
	shift
	printf '  %-46s' "$what"
	since=$(date +%s)
	code=0
	"$@" >>"$log" 2>&1 </dev/null || code=$?
	if [ "$code" -ne 0 ]; then
		printf 'FAILED (exit status %d); the last lines of %s:\n' "$code" "$log"
		tail -n 15 "$log"
		exit 1
	fi
	printf 'ok, %d s\n' "$(($(date +%s) - since))"
}

# agent NAME OPTION...: a node whose agent is the emulator; sets $emulator and AWS_CONTAINER_CREDENTIALS_FULL_URI
agent() {
	name=$1
	shift
	[ -z "$emulator" ] || kill "$emulator"
	python3 tests/emulator --ready-file "$dir/$name" --key-file "$dir/key" --renew-after 0 --association default/app=arn:aws:iam::123456789012:role/demo "$@" \
		>"$dir/$name.log" 2>&1 &
	emulator=$!
	until_ok 20 test -s "$dir/$name"
	AWS_CONTAINER_CREDENTIALS_FULL_URI=$(sed 's/.*"agent": "\([^"]*\)".*/\1/' "$dir/$name")/v1/credentials
	export AWS_CONTAINER_CREDENTIALS_FULL_URI
}

# token SERVICE_ACCOUNT: what the kubelet mounts
token() {
	python3 tests/emulator token --key-file "$dir/key" --namespace default --service-account "$1" >"$pod/token"
}

# stopped COMMAND...: an init container that must fail; prints what `kubectl describe pod` shows of it
stopped() {
	: >"$pod/message"
	chmod 666 "$pod/message" # as the kubelet makes it
	code=0
	"$@" --termination-log="$pod/message" >"$pod/report" 2>&1 || code=$?
	if [ "$code" -eq 0 ] || [ ! -s "$pod/message" ]; then
		echo "demo: this should have failed, and said why: $*" >&2
		cat "$pod/report" >&2
		exit 1
	fi
	echo "  exit code $code"
	narrow <"$pod/message"
}

# as_app COMMAND...: as a user that does not own the token, as in an image with a user of its own
as_app() {
	$as_root setpriv --reuid=65532 --regid=65532 --clear-groups env AWS_CONTAINER_CREDENTIALS_FULL_URI="$AWS_CONTAINER_CREDENTIALS_FULL_URI" \
		AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" "$@"
}

echo "== Set-up: details are in $log"
quietly "Debian's packages" sh common/deps/setup.sh "$@"
quietly 'the programs (minutes, the first time)' "$make" --no-print-directory -j"$(nproc)" all
# From here on, nothing of this machine's own: a pod has none of it.
for name in $(env | sed -n 's/^\(AWS_[A-Z0-9_]*\|POD_IDENTITY_[A-Z_]*\|[a-z]*_proxy\|[A-Z]*_PROXY\)=.*/\1/p'); do
	unset "$name"
done
export HOME="$pod" AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="$pod/token"
export AWS_REGION=eu-central-1 AWS_DEFAULT_REGION=eu-central-1 AWS_EC2_METADATA_DISABLED=true

step 'A pod without an association. Most SDKs say only that they found no credentials; init says:'
agent node
token forgotten
stopped "$init" --wait=3s

step 'An app that is not root, and a token of mode 0600. Most SDKs say the same; init says:'
as_root='' mode=0600
[ "$(id -u)" -eq 0 ] || as_root='sudo -n'
if ! as_app true 2>/dev/null; then
	echo '  (Only root can act as another user: here, mode 0000 stands in for 0600.)'
	as_app() { "$@"; }
	mode=0000
elif ! as_app "$init" --version >/dev/null 2>&1; then # that user may not enter this folder
	cp "$init" "$pod/"
	chmod 755 "$pod/pod-identity-init"
	init=$pod/pod-identity-init
fi
token app
chmod "$mode" "$pod/token"
stopped as_app "$init" --wait=1s
chmod 0640 "$pod/token"

step 'A new node, whose agent starts two seconds late. Apps fail, or use another role; init waits:'
agent new-node --late 2s
printf '  without init: '
curl -sS "$AWS_CONTAINER_CREDENTIALS_FULL_URI" 2>&1 | sed 's/ after [0-9]* ms//' || :
"$init" --wait=20s --termination-log="$pod/none" >"$pod/report" 2>"$pod/progress"
sed -n 's/.*\(msg=.*\)/\1/p' "$pod/progress" | narrow
tail -n 1 "$pod/report" | narrow

step 'The good way. init checks what was injected, the token, the agent and the credentials:'
"$init" --expect-namespace=default --expect-service-account=app --termination-log="$pod/none" >"$pod/report"
grep -E '^pass  (injection.pair|token.readable|token.times|token.identity|agent.reach|agent.cred|credentials.life)' "$pod/report" | narrow
echo "  ... $(grep -c '^pass' "$pod/report") checks passed, $(grep -c '^warn' "$pod/report" || :) warned"
tail -n 1 "$pod/report" | narrow

step 'The sidecar fetches once, keeps the credentials fresh, and serves all processes of the pod:'
"$bin/pod-identity-sidecar" --unix-socket="$run/credentials.sock" --http=127.0.0.1:0 \
	--credentials-file="$run/credentials" 2>"$dir/sidecar.log" &
sidecar=$!
until_ok 20 "$bin/pod-identity-sidecar" probe --unix-socket="$run/credentials.sock"
sed -n 's/.*msg="credentials refreshed"/credentials refreshed:/p' "$dir/sidecar.log" | narrow

step 'An AWS SDK asks the loopback endpoint, with the bearer of this pod:'
http=$(sed -n 's/.* http=\([^ ]*\) .*/\1/p' "$dir/sidecar.log")
printf 'header = "Authorization: %s"\n' "$(cat "$run/http-token")" | curl -sS -K - "http://$http/v1/credentials" | mask | narrow
printf '\n  without the bearer: '
curl -sS -o /dev/null -w '%{http_code}\n' "http://$http/v1/credentials"

step 'Others ask pod-identity-get (credential_process), the Unix socket, or read a file:'
[ "$(key_id)" = "$(curl -sS --unix-socket "$run/credentials.sock" http://localhost/v1/credentials | sed 's/.*"AccessKeyId":"\([^"]*\)".*/\1/')" ]
[ "$(key_id)" = "$(sed -n 's/^aws_access_key_id = //p' "$run/credentials")" ]
echo "  all three have access key id $(key_id)"

step 'A forced refresh (SIGUSR1) reaches all of them:'
before=$(key_id)
kill -USR1 "$sidecar"
until_ok 10 key_changed "$before"
after=$(key_id)
until_ok 10 grep -q "$after" "$run/credentials"
echo "  access key id $before became $after, in the file too"

step 'The agent goes away. Valid credentials are served until they expire:'
kill "$emulator"
wait "$emulator" || :
emulator=
kill -USR1 "$sidecar"
until_ok 20 grep -q 'refresh failed' "$dir/sidecar.log"
sed -n 's/.*\(msg="refresh failed".*\)/\1/p' "$dir/sidecar.log" | head -n 1 | narrow
echo "  still served: $(key_id)"

step 'What it costs:'
sed -n 's/^VmRSS:[^0-9]*\(.*\)/  \1 resident in the sidecar/p' "/proc/$sidecar/status"
for program in init sidecar get; do
	printf '  %s bytes: pod-identity-%s\n' "$(wc -c <"$bin/pod-identity-$program")" "$program"
done

step 'The end (SIGTERM):'
status=0
stop_sidecar || status=$?
echo "  exit status $status; left in its folder: $(ls "$run")"
[ "$status" -eq 0 ]

printf '\ndemo: %d steps done: 3 faults named, credentials served in 4 ways, nothing left running\n' "$steps"
