# shellcheck shell=sh
# What demo.sh and smoke-arm64.sh share, to be sourced: waiting for something to become true, and ending what they started.

emulator=
sidecar=

# stop_all: to be trapped at EXIT.
stop_all() {
	[ -z "$sidecar" ] || kill "$sidecar" 2>/dev/null || :
	[ -z "$emulator" ] || kill "$emulator" 2>/dev/null || :
	wait
}

# until_ok SECONDS COMMAND...: runs it until it succeeds; ends the script if it does not in that time.
until_ok() {
	left=$(($1 * 10))
	shift
	until "$@" >/dev/null 2>&1; do
		left=$((left - 1))
		if [ "$left" -le 0 ]; then
			echo "${0##*/}: this did not come true in time: $*" >&2
			exit 1
		fi
		sleep 0.1
	done
}

# stop_sidecar: SIGTERM; its status is the sidecar's.
stop_sidecar() {
	pid=$sidecar
	sidecar=
	kill "$pid"
	wait "$pid"
}
