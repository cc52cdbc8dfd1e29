#!/bin/sh
# One tar with all that a cluster without internet needs: bundle.sh VERSION TAG IMAGES ROOTS WORK BUNDLE CHART
# The same files give the same bytes: no time but SOURCE_DATE_EPOCH, no names of users.
set -eu
LC_ALL=C
export LC_ALL
version=$1
tag=$2
images=$3
roots=$4
work=$5
bundle=$6
chart=$7
name=pod-identity-$version
top=$work/$name

rm -rf "$top"
mkdir -p "$top/images" "$top/sbom"
for image in init sidecar agent webhook; do
	cp "$images/pod-identity-$image.oci.tar" "$top/images/"
	cp "$images/pod-identity-$image.digest" "$top/images/"
done
for root in "$roots"/sidecar/*; do
	cp "$root/usr/share/doc/pod-identity/sbom.spdx.json" "$top/sbom/pod-identity-linux-${root##*/}.spdx.json"
done
set -- "$roots"/sidecar/*
mkdir "$top/licenses"
find "$1/usr/share/doc/pod-identity" -type f ! -name 'sbom*' -exec cp {} "$top/licenses/" \;
cp -R images/kubernetes "$top/kubernetes"
mkdir "$top/helm"
cp "$chart" "$top/helm/"
cp images/load.sh CHANGELOG.md LICENSE "$top/"
sed "s/@VERSION@/$version/g; s/@TAG@/$tag/g" images/BUNDLE.md >"$top/README.md"
echo "$tag" >"$top/images/TAG"
sums=$(cd "$top" && find . -type f | sort | sed 's,^\./,,' | xargs sha256sum)
echo "$sums" >"$top/SHA256SUMS"
tar -C "$work" --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --mode='u=rwX,go=rX' \
	-cf "$bundle.new" "$name"
mv "$bundle.new" "$bundle"
rm -rf "$top"
echo "$bundle: $(wc -c <"$bundle") bytes"
