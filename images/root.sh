#!/bin/sh
# The files of one image for one architecture: root.sh IMAGE BUILD SOURCES CA_BUNDLE FOLDER
# IMAGE is init, sidecar, agent or webhook, BUILD the folder of the programs, SOURCES the unpacked libraries, FOLDER is made anew.
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
install -m 0755 "$build/pod-identity-$image" "$folder/pod-identity-$image"
case $image in
agent)
	# The names by which the EKS Pod Identity Agent's chart starts it. It begins as root: /root is where that chart mounts
	# the credentials of hybrid nodes.
	ln -s pod-identity-agent "$folder/go-runner"
	ln -s pod-identity-agent "$folder/eks-pod-identity-agent"
	echo 'root:x:0:0:root:/root:/sbin/nologin' >"$folder/etc/passwd"
	;;
webhook) ;;
*) # The helper: init copies it into a volume (--install), and for the sidecar it is the client at hand.
	install -m 0755 "$build/pod-identity-get" "$folder/pod-identity-get"
	;;
esac
echo 'nonroot:x:65532:65532:nonroot:/:/sbin/nologin' >>"$folder/etc/passwd"
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
