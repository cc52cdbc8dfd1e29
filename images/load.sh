#!/bin/sh
# Checks this bundle, and loads its images: load.sh [--check] [--registry HOST/PATH] [--tag TAG] [--tool TOOL] [--insecure]
#
#   (nothing)              into this machine's own store: ctr (containerd of Kubernetes), podman or docker, the first that is there
#   --registry HOST/PATH   into a registry, both architectures, as HOST/PATH/pod-identity-init:TAG, …-sidecar:TAG, …-agent:TAG, …-webhook:TAG; needs skopeo
#   --tag TAG              another tag than the bundle's
#   --tool TOOL            ctr, podman, docker or skopeo, instead of the first that is there
#   --insecure             the registry speaks plain HTTP, or has a certificate that is not trusted
#   --check                check the sums, and nothing else
#
# It sends nothing anywhere but to the registry that is named. Credentials are those of `skopeo login`.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
registry=
tag=
tool=
verify=true
check=no

fail() {
	echo "load.sh: $*" >&2
	exit 1
}

need() { # need OPTION ARGUMENT-COUNT
	[ "$2" -ge 2 ] || fail "$1 needs a value; see the head of this file"
}

while [ $# -gt 0 ]; do
	case $1 in
	--registry | --tag | --tool)
		need "$1" $#
		case $1 in
		--registry) registry=${2%/} ;;
		--tag) tag=$2 ;;
		--tool) tool=$2 ;;
		esac
		shift 2
		;;
	--insecure)
		verify=false
		shift
		;;
	--check)
		check=yes
		shift
		;;
	-h | --help)
		sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
		exit 0
		;;
	*) fail "unknown argument $1; see --help" ;;
	esac
done

cd "$here"
if [ ! -s SHA256SUMS ] || [ ! -s images/TAG ]; then
	fail "$here is no unpacked bundle: SHA256SUMS or images/TAG is missing"
fi
sha256sum --quiet --strict -c SHA256SUMS >&2 || fail 'a file is not what was released (above): fetch the bundle again'
echo "load.sh: $(wc -l <SHA256SUMS) files are what was released"
[ $check = no ] || exit 0
[ -n "$tag" ] || tag=$(cat images/TAG)

has() {
	command -v "$1" >/dev/null 2>&1
}

if [ -n "$registry" ]; then
	case $registry in *://*) fail "--registry=$registry: without https://" ;; esac
	[ -z "$tool" ] || [ "$tool" = skopeo ] || fail "--registry needs skopeo: $tool would push one architecture only"
	has skopeo || fail 'skopeo is not there: apt-get install skopeo, or use any tool that copies an OCI archive with all platforms'
	for image in init sidecar agent webhook; do
		target=$registry/pod-identity-$image:$tag
		skopeo copy --quiet --all --preserve-digests --dest-tls-verify=$verify "oci-archive:images/pod-identity-$image.oci.tar" "docker://$target" ||
			fail "cannot copy pod-identity-$image to $target (above)"
		echo "load.sh: $target@$(cat "images/pod-identity-$image.digest")"
	done
	exit 0
fi

if [ -z "$tool" ]; then
	for tool in ctr podman docker ''; do
		[ -n "$tool" ] || fail 'none of ctr, podman and docker is there; --registry HOST/PATH copies into a registry'
		! has "$tool" || break
	done
fi
own=$(cat images/TAG)
for image in init sidecar agent webhook; do
	archive=images/pod-identity-$image.oci.tar
	from=localhost/pod-identity-$image:$own
	target=localhost/pod-identity-$image:$tag
	case $tool in
	ctr) ctr --namespace k8s.io images import --all-platforms "$archive" && { [ "$from" = "$target" ] || ctr --namespace k8s.io images tag "$from" "$target"; } ;;
	podman) podman load --quiet --input "$archive" && { [ "$from" = "$target" ] || podman tag "$from" "$target"; } ;;
	docker) docker load --quiet --input "$archive" && { [ "$from" = "$target" ] || docker tag "$from" "$target"; } ;;
	*) fail "--tool=$tool: not one of ctr, podman, docker, skopeo" ;;
	esac || fail "$tool cannot load $archive (above)"
	echo "load.sh: $target"
done
