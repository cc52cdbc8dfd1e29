#!/bin/sh
# The arm64 programs under qemu-user, against the emulator: versions, init's check, one run of `once`, serve, get, probe.
set -eu
bin=$1
dir=build/smoke-arm64
qemu=
if [ "$(uname -m)" != aarch64 ]; then
	qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64) || {
		echo 'smoke-arm64: no qemu-aarch64: apt-get install qemu-user-static' >&2
		exit 1
	}
fi
rm -rf "$dir"
mkdir -p "$dir"
. tests/waiting.sh
trap stop_all EXIT

for program in init sidecar get webhook; do
	$qemu "$bin/pod-identity-$program" --version | head -n 1
done
$qemu "$bin/pod-identity-agent" version | head -n 1
python3 tests/emulator --ready-file "$dir/ready" --association default/app=arn:aws:iam::123456789012:role/demo >"$dir/emulator.log" &
emulator=$!
until_ok 30 test -s "$dir/ready"
python3 tests/emulator token --ready-file "$dir/ready" --namespace default --service-account app >"$dir/token"
AWS_CONTAINER_CREDENTIALS_FULL_URI="$(sed 's/.*"agent": "\([^"]*\)".*/\1/' "$dir/ready")/v1/credentials"
AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="$PWD/$dir/token"
export AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
$qemu "$bin/pod-identity-init" --wait=10s --termination-log="$dir/termination-log" | tail -n 1
$qemu "$bin/pod-identity-sidecar" once --process-file="$PWD/$dir/process.json" 2>"$dir/once.log"
grep -q '"Version":1' "$dir/process.json"
$qemu "$bin/pod-identity-sidecar" --unix-socket="$PWD/$dir/credentials.sock" 2>"$dir/sidecar.log" &
sidecar=$!
# shellcheck disable=SC2086  # empty on arm64 itself
until_ok 30 $qemu "$bin/pod-identity-sidecar" probe --unix-socket="$PWD/$dir/credentials.sock"
$qemu "$bin/pod-identity-get" --socket="$PWD/$dir/credentials.sock" | grep -q '"Version":1'
stop_sidecar
echo 'smoke-arm64: init, once, serve, probe and get work under qemu'
