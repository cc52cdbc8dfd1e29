#!/bin/sh
# The files of one image for one architecture: root.sh IMAGE BUILD SOURCES CA_BUNDLE FOLDER
# IMAGE is init or sidecar, BUILD the folder of the programs, SOURCES the unpacked libraries, FOLDER is made anew.
# /etc/passwd gives the user its name for programs that ask; nothing of the toolkit does.
set -eu
image=$1
build=$2
sources=$3
bundle=$4
folder=$5
docs=$folder/usr/share/doc/pod-identity

rm -rf "$folder"
mkdir -p "$folder/etc/ssl/certs" "$docs/licences"
# Both have the helper: init copies it into a volume (--install), and for the sidecar it is the client at hand.
for program in "pod-identity-$image" pod-identity-get; do
	install -m 0755 "$build/$program" "$folder/$program"
done
echo 'nonroot:x:65532:65532:nonroot:/:/sbin/nologin' >"$folder/etc/passwd"
cp "$bundle" "$folder/etc/ssl/certs/ca-certificates.crt"
cp "$build/sbom.spdx.json" "$docs/sbom.spdx.json"
cp LICENSE "$docs/licences/pod-identity"
cp "$sources/musl/COPYRIGHT" "$docs/licences/musl"
cp "$sources/bearssl/LICENSE.txt" "$docs/licences/bearssl"
cp "$sources/curl/COPYING" "$docs/licences/curl"
cp "$sources/cjson/LICENSE" "$docs/licences/cjson"
echo 'The certificates in /etc/ssl/certs come from the ca-certificates of Mozilla: MPL-2.0, https://www.mozilla.org/MPL/2.0/.' \
	>"$docs/licences/ca-certificates"
find "$folder" -type d -exec chmod 0755 '{}' + -o -name 'pod-identity-*' -exec chmod 0755 '{}' + -o -type f -exec chmod 0644 '{}' +
