#!/bin/sh
# The emulator's image, as an OCI archive: emulator-image.sh ROOT VERSION TAG REVISION ARCH ARCHIVE
set -eu
LC_ALL=C
export LC_ALL
root=$1
version=$2
tag=$3
revision=$4
arch=$5
archive=$6
layout=$root.layout
created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)

rm -rf "$layout"
umoci init --layout "$layout"
umoci new --image "$layout:$tag"
find "$root" -mindepth 1 -maxdepth 1 -printf "%f\n" | sort | tar -C "$root" --sort=name --format=gnu --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --mode='u=rwX,go=rX' \
	-cf "$root.tar" -T -
umoci raw add-layer --image "$layout:$tag" --history.created "$created" --history.created_by 'images/emulator.sh' --history.author '' "$root.tar"
# Where it listens by default is for a container with ports of its own.
umoci config --image "$layout:$tag" --os linux --architecture "$arch" --created "$created" --config.user 65532:65532 --no-history \
	--config.entrypoint /usr/bin/python3 --config.entrypoint -B --config.entrypoint /opt/emulator \
	--config.cmd serve --config.cmd --listen=0.0.0.0:8080 --config.cmd --control=0.0.0.0:8081 \
	--config.env PYTHONUNBUFFERED=1 --config.workingdir /tmp \
	--config.label "org.opencontainers.image.title=pod-identity-emulator" --config.label "org.opencontainers.image.version=$version" \
	--config.label "org.opencontainers.image.revision=$revision"
umoci gc --layout "$layout"
# podman takes its name for the image from the one annotation, containerd from the other.
sed "s,\"org.opencontainers.image.ref.name\":\"$tag\",\"org.opencontainers.image.ref.name\":\"pod-identity-emulator:$tag\",;
	s,\"annotations\":{,&\"io.containerd.image.name\":\"localhost/pod-identity-emulator:$tag\"\,," "$layout/index.json" >"$layout/index.new"
mv "$layout/index.new" "$layout/index.json"
tar -C "$layout" --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --mode='u=rwX,go=rX' \
	-cf "$archive.new" oci-layout index.json blobs
mv "$archive.new" "$archive"
rm -rf "$layout" "$root" "$root.tar"
