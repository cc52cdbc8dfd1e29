#!/bin/sh
# The files of a release: release.sh VERSION BUILD IMAGES BUNDLE CHART MAN TIME TARGET ARCH...
# MAN is the folder of the manual pages and the completion, TIME what their archive shows as their time (unix).
set -eu
LC_ALL=C
export LC_ALL
version=$1
build=$2
images=$3
bundle=$4
chart=$5
man=$6
time=$7
target=$8
shift 8

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
# Laid out as they lie below a prefix. The same pages give the same bytes.
install -d "$target/man/share/man/man1" "$target/man/share/bash-completion/completions"
install -m 0644 "$man"/*.1 "$target/man/share/man/man1/"
for program in init sidecar get agent webhook; do
	install -m 0644 "$man/completion.bash" "$target/man/share/bash-completion/completions/pod-identity-$program"
done
tar -C "$target/man" --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mtime="@$time" --mode='u=rwX,go=rX' -cf - share |
	gzip -n9 >"$target/pod-identity-man-$version.tar.gz"
rm -r "$target/man"
install -m 0644 "$bundle" "$chart" CHANGELOG.md LICENSE "$target/"
sums=$(cd "$target" && find . -type f | sort | sed 's,^\./,,' | xargs sha256sum)
echo "$sums" >"$target/SHA256SUMS"
echo "$target: $(wc -l <"$target/SHA256SUMS") files"
