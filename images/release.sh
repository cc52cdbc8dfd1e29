#!/bin/sh
# The files of a release: release.sh VERSION BUILD IMAGES BUNDLE CHART TARGET ARCH...
set -eu
LC_ALL=C
export LC_ALL
version=$1
build=$2
images=$3
bundle=$4
chart=$5
target=$6
shift 6

rm -rf "$target"
mkdir -p "$target"
for arch; do
	for program in init sidecar get agent webhook; do
		install -m 0755 "$build/$arch/pod-identity-$program" "$target/pod-identity-$program-$version-linux-$arch"
	done
	install -m 0644 "$build/$arch/sbom.spdx.json" "$target/pod-identity-$version-linux-$arch.spdx.json"
done
for image in init sidecar agent webhook; do
	install -m 0644 "$images/pod-identity-$image.oci.tar" "$target/pod-identity-$image-$version.oci.tar"
	install -m 0644 "$images/pod-identity-$image.digest" "$target/pod-identity-$image-$version.digest"
done
install -m 0644 "$bundle" "$chart" CHANGELOG.md LICENSE "$target/"
sums=$(cd "$target" && find . -type f | sort | sed 's,^\./,,' | xargs sha256sum)
echo "$sums" >"$target/SHA256SUMS"
echo "$target: $(wc -l <"$target/SHA256SUMS") files"
