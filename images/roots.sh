#!/bin/sh
# The CA bundle of the images, on stdout: roots.sh LOCK [FOLDER], FOLDER being where Debian's ca-certificates keeps Mozilla's.
# Each certificate has to be the one that the lock names, so the bundle is the same whatever version of the package is there.
set -eu
lock=$1
folder=${2:-/usr/share/ca-certificates/mozilla}

grep -v '^#' "$lock" | {
	status=0
	while read -r sum file; do
		if [ ! -r "$folder/$file" ]; then
			echo "roots: $folder/$file is missing: make setup-images, or apt-get install ca-certificates" >&2
			exit 1
		fi
		got=$(sed '/^-----/d' "$folder/$file" | base64 -d | sha256sum | cut -d' ' -f1)
		if [ "$got" != "$sum" ]; then
			echo "roots: $folder/$file is another certificate than images/roots.lock names: its sha256 is $got, expected $sum" >&2
			status=1
		fi
		echo "# ${file%.crt}" | tr _ ' '
		echo '-----BEGIN CERTIFICATE-----'
		sed '/^-----/d' "$folder/$file" | base64 -d | base64 -w 64
		echo '-----END CERTIFICATE-----'
	done
	exit $status
}
