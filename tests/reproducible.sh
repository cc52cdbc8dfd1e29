#!/bin/sh
# Two clean builds, libraries and all, of the present sources in two different folders give the same bytes:
# reproducible.sh RESULTS MAKE ARCH, with DISTFILES set, so that no network is needed.
set -eu
results=$1
make=$2
arch=$3
mkdir -p "$results"
base=$(pwd)/build/reproducible
rm -rf "$base"
trap 'rm -rf "$base"' EXIT
revision=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
epoch=$(git log -1 --format=%ct 2>/dev/null || echo 0)

# Of different length and depth, and made at different times, by the file system's clock. The files are copied once: the
# tree may be edited meanwhile.
first=$base/a
second=$base/a-longer/path/b
mkdir -p "$first" "$second"
git ls-files --cached --others --exclude-standard -- Makefile LICENSE common init sidecar agent |
	while read -r f; do [ ! -f "$f" ] || echo "$f"; done | tar -T - -cf - | tar -xf - -C "$first"
cp -R "$first/." "$second"

build() { # build FOLDER
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS "$make" -s -j"$(nproc)" -C "$1" ARCH="$arch" DISTFILES="$DISTFILES" REVISION="$revision" \
		SOURCE_DATE_EPOCH="$epoch" >"$results/reproducible.log" 2>&1 || {
		tail -n 30 "$results/reproducible.log"
		exit 1
	}
}
build "$first"
umask 077 # a file's mode is no part of it
build "$second"

passed=0 failed=0
for file in pod-identity-init pod-identity-sidecar pod-identity-get pod-identity-agent pod-identity-webhook sbom.spdx.json; do
	if cmp "$first/build/$arch/$file" "$second/build/$arch/$file"; then
		passed=$((passed + 1))
		echo "reproducible: $file $(sha256sum <"$first/build/$arch/$file" | cut -c1-16)"
	else
		failed=$((failed + 1))
	fi
done
echo "$passed $failed 0" >"$results/check-reproducible.counts"
[ "$failed" -eq 0 ]
