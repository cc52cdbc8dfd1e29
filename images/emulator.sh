#!/bin/sh
# The emulator's file tree: emulator.sh FOLDER. Python and openssl from the packages of this machine's Debian, unpacked, not installed, and
# tests/emulator. No root is needed.
set -eu
folder=$1
work=$PWD/$folder.debs

# What those packages need to be installed or to be used by people, and the emulator never runs.
UNUSED='dpkg|tar|install-info|perl.*|libperl.*|mailcap|mime-support|media-types|gcc-.*-base|libacl1|libmd0|libselinux1|libpcre2.*|libgdbm.*|libdb5.*'
UNUSED="$UNUSED|libsqlite3.*|libreadline.*|readline-common|libncurses.*|libtinfo.*|libnsl2|libtirpc.*|libgssapi.*|libk.*|libcom-err2|libjs-.*"

rm -rf "$folder" "$work"
mkdir -p "$folder" "$work"
packages=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
	python3-minimal libpython3-stdlib openssl | grep '^[a-z]' | sort -u | grep -vxE "$UNUSED")
[ -n "$packages" ] || {
	echo 'emulator: apt knows no python3: apt-get update' >&2
	exit 1
}
# shellcheck disable=SC2086 # some words
(cd "$work" && apt-get -qq download $packages 2>"$work/said") || {
	tail -n 3 "$work/said" >&2
	exit 1
}
for package in "$work"/*.deb; do dpkg -x "$package" "$folder"; done

# One /usr, as Debian has it, whether the packages know of that yet or not.
for name in bin sbin lib lib64; do
	if [ -d "$folder/$name" ]; then
		mkdir -p "$folder/usr/$name"
		cp -a "$folder/$name/." "$folder/usr/$name/"
		rm -rf "${folder:?}/$name"
	fi
	[ ! -d "$folder/usr/$name" ] || ln -s "usr/$name" "$folder/$name"
done
for name in lib2to3 ensurepip idlelib test unittest pydoc_data distutils sqlite3 curses dbm turtledemo; do rm -rf "$folder"/usr/lib/python3*/$name; done
find "$folder/usr/share" -mindepth 1 -maxdepth 1 ! -name doc -exec rm -rf '{}' +
find "$folder/usr/share/doc" -type f ! -name copyright -delete
for name in var usr/share/doc-base usr/lib/systemd; do rm -rf "${folder:?}/$name"; done
rm -rf "$folder"/usr/lib/*/perl* "$folder"/usr/lib/*/gconv "$folder"/usr/lib/*/audit
find "$folder" -type d -empty -delete

mkdir -p "$folder/opt/emulator" "$folder/tmp" "$folder/etc"
cp tests/emulator/*.py "$folder/opt/emulator/"
cp LICENSE "$folder/opt/emulator/"
echo 'nonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin' >"$folder/etc/passwd"
rm -rf "$work"
