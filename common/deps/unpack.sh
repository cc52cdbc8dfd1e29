#!/bin/sh
# Unpacks and patches the sources: unpack.sh FOLDER RESULT OUT, RESULT being what fetch.sh wrote.
# Leaves OUT/NAME/ for each library and OUT/patches.list, lines of "NAME ORIGIN PATCH".
set -eu

here=$(cd "$(dirname "$0")" && pwd)
folder=$1
result=$2
out=$3

apply() { # apply NAME ORIGIN PATCH-FILE
	patch -d "$out/$1" -p1 -s -t -N -E -F 0 --no-backup-if-mismatch <"$3" || {
		echo "unpack: $1: ${3##*/} does not apply" >&2
		exit 1
	}
	echo "$1 $2 ${3##*/}" >>"$out/patches.list"
}

rm -rf "$out"
mkdir -p "$out"
: >"$out/patches.list"
while read -r name _ _ tarball _ patches _; do
	mkdir "$out/$name"
	tar -C "$out/$name" --strip-components=1 --no-same-owner -xf "$folder/$tarball"
	if [ "$patches" != - ]; then
		tar -C "$out/$name" --no-same-owner -xf "$folder/$patches"
		series=$out/$name/debian/patches/series
		if [ -f "$series" ]; then
			sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$series" | while read -r p _; do
				apply "$name" debian "$out/$name/debian/patches/$p"
			done
		fi
	fi
	for p in "$here"/patches/"$name"-*.patch; do
		[ ! -f "$p" ] || apply "$name" ours "$p"
	done
done <"$result"
# A patch to configure.ac must not send make looking for autoconf: give all files the same time.
find "$out" -exec touch -h -d @946684800 {} +
