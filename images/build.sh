#!/bin/sh
# One image for several architectures, as an OCI archive: build.sh IMAGE VERSION TAG REVISION ROOTS ARCHIVE ARCH...
# ROOTS/ARCH is the file tree for each. umoci makes an image of each, and what it cannot make, the index over them, is
# written here. No daemon, no network, no root, and no time but SOURCE_DATE_EPOCH, no name but those given. IMAGE_SOURCE, if
# set, is the address of the source that is named in the annotations.
set -eu
LC_ALL=C
export LC_ALL
image=$1
version=$2
tag=$3
revision=$4
roots=$5
archive=$6
shift 6
name=pod-identity-$image
work=$roots.work
layout=$work/layout
created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
case $image in
init) description='Init container: waits until AWS credentials can be had in this pod, or says in one line why not' ;;
agent) description='Node agent: hands AWS credentials to the pods of its node, on EKS and on any other Kubernetes' ;;
webhook) description='Admission webhook: injects what pods need for AWS credentials, init container and sidecar among it' ;;
sidecar) description='Sidecar: fetches AWS credentials once, keeps them fresh, serves them to every process of the pod' ;;
esac
# The agent binds ports below 1024 and then becomes another user; what its chart runs as its init container is root, too.
user=65532:65532
beside=pod-identity-get
if [ "$image" = agent ]; then
	user=0:0
	beside='go-runner eks-pod-identity-agent'
fi
[ "$image" != webhook ] || beside=

# Each with its name and value on a line: the labels of the image, and the annotations of its manifest and of the index.
annotations() {
	cat <<-END
		org.opencontainers.image.created=$created
		org.opencontainers.image.description=$description
		org.opencontainers.image.licenses=Apache-2.0 AND MIT AND curl AND MPL-2.0
		org.opencontainers.image.revision=$revision
		org.opencontainers.image.title=$name
		org.opencontainers.image.version=$version
	END
	[ -z "${IMAGE_SOURCE:-}" ] || echo "org.opencontainers.image.source=$IMAGE_SOURCE"
}

annotations_json() {
	annotations | sed 's/["\\]/\\&/g; s/^\([^=]*\)=\(.*\)$/"\1":"\2"/' | paste -sd, -
}

platform_image() { # platform_image ARCH: a tag of that name in the layout
	layer=$work/$1.tar
	# shellcheck disable=SC2086 # some words
	tar -C "$roots/$1" --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
		--mode='u=rwX,go=rX' -cf "$layer" etc usr "$name" $beside
	umoci new --image "$layout:$1"
	set -- "$1" --image "$layout:$1" --os linux --architecture "$1" --created "$created" --config.user $user \
		--config.entrypoint "/$name" --config.workingdir / --no-history
	while read -r pair; do
		set -- "$@" --config.label "$pair" --manifest.annotation "$pair"
	done <<-END
		$(annotations)
	END
	arch=$1
	shift
	umoci config "$@"
	umoci raw add-layer --image "$layout:$arch" --history.created "$created" --history.created_by 'images/build.sh' \
		--history.author '' "$layer"
}

blob() { # blob FILE: moves it among the layout's, and says digest and size as JSON
	sum=$(sha256sum <"$1" | cut -d' ' -f1)
	size=$(wc -c <"$1")
	mv "$1" "$layout/blobs/sha256/$sum"
	printf '"digest":"sha256:%s","size":%d' "$sum" "$size"
}

rm -rf "$work"
mkdir -p "$work"
umoci init --layout "$layout"
manifests=
for arch; do
	platform_image "$arch"
	skopeo inspect --raw "oci:$layout:$arch" >"$work/manifest"
	manifests="$manifests${manifests:+,}{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",$(blob "$work/manifest"),"
	manifests="$manifests\"platform\":{\"architecture\":\"$arch\",\"os\":\"linux\"}}"
done
umoci gc --layout "$layout"

media=application/vnd.oci.image.index.v1+json
printf '{"schemaVersion":2,"mediaType":"%s","manifests":[%s],"annotations":{%s}}' "$media" "$manifests" "$(annotations_json)" >"$work/index"
# podman takes its name for the image from the one annotation, containerd from the other.
printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s",%s,"annotations":{%s,%s}}]}\n' "$media" "$(blob "$work/index")" \
	"\"io.containerd.image.name\":\"localhost/$name:$tag\"" "\"org.opencontainers.image.ref.name\":\"$name:$tag\"" >"$layout/index.json"
tar -C "$layout" --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --mode='u=rwX,go=rX' \
	-cf "$archive.new" oci-layout index.json blobs
mv "$archive.new" "$archive"
sed -n 's/.*"digest":"\(sha256:[0-9a-f]*\)".*/\1/p' "$layout/index.json" >"${archive%.oci.tar}.digest"
rm -rf "$work"
