#!/bin/sh
# Programs that tests need and that Debian may lack or have too old: tools.sh TOOL... (go, node, kubectl, docker-registry,
# hclfmt, minio, helm, actionlint, prometheus, postgres, cluster, apiserver).
# One that the machine has, and that is new enough, is used as it is. What Debian has is installed. The rest goes into
# ${XDG_CACHE_HOME:-~/.cache}/pod-identity/tools/bin, where the tests look first (tests/integration/harness/tools.py).
# `cluster` is a whole Kubernetes for tests/e2e/cluster/cluster.sh, in .../tools/cluster; `apiserver` the API server of a newer one.
# A tool that no source offers is told, and is no error: the tests that need it are skipped, and say so.
set -u
cd "$(dirname "$0")/.." || exit 1
tools=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/pod-identity/tools
mkdir -p "$tools/bin" || exit 1
PATH=$tools/bin:$PATH

GO=1.27.3
GO_AT_LEAST=1.25 # tests/e2e/policy and tests/e2e/kubectl
GO_SUM_amd64=h1:r0ub+FnqzZxoWm/dSUOI9DcIqYWn/mNYGFJcv7PyBzs=
GO_SUM_arm64=h1:VY4gDzfxOrsM17J2qtgZgiAIsWhp7XWK1jMfE3kXV0s=
KUBECTL_AT_LEAST=1.27 # its kustomize knows what images/kubernetes/component uses
REGISTRY=github.com/distribution/distribution/v3/cmd/registry@v3.1.2
MINIO=github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c # its releases are no versions of a module
HCLFMT=github.com/hashicorp/hcl/v2/cmd/hclfmt@v2.24.0
HELM=3.20.2 HELM_KUBERNETES=35 # what its client-go speaks, which helm is told when it is built
HELM_AT_LEAST=3.14
ACTIONLINT=github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

say() {
	echo "tools: $*" >&2
}

has() {
	command -v "$1" >/dev/null
}

at_least() { # at_least WANTED VERSION
	[ -n "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

# Go's own folders are beside the tools; what the user set for proxies and checks stays.
in_go() { # in_go COMMAND...
	env GOPATH="$tools/go" GOMODCACHE="$tools/go/mod" GOCACHE="$tools/go/cache" GOBIN="$tools/bin" GOFLAGS=-modcacherw GOTOOLCHAIN=local \
		GOWORK=off CGO_ENABLED=0 "$@"
}

go_version() {
	has go && in_go go env GOVERSION | sed 's/^go//'
}

# A released Go is also a module, which any Go can fetch and check against the checksum database.
get_go() { # get_go [AT-LEAST]
	wanted=${1:-$GO_AT_LEAST}
	! at_least "$wanted" "$(go_version)" || return 0
	has go || sh common/deps/setup.sh golang-go ca-certificates || return
	! at_least "$wanted" "$(go_version)" || return 0
	case $(uname -m) in
	x86_64) arch=amd64 sum=$GO_SUM_amd64 ;;
	aarch64) arch=arm64 sum=$GO_SUM_arm64 ;;
	*) return 1 ;;
	esac
	say "Go $(go_version) is older than $wanted: fetching $GO as a module"
	module=golang.org/toolchain@v0.0.1-go$GO.linux-$arch
	got=$(cd "$tools" && in_go go mod download -json "$module") || {
		say "$got"
		return 1
	}
	case $got in *"\"$sum\""*) ;; *)
		say "$module has another sum than tests/tools.sh expects: $got"
		return 1
		;;
	esac
	chmod +x "$tools/go/mod/$module"/bin/* "$tools/go/mod/$module"/pkg/tool/*/* && ln -sf "$tools/go/mod/$module/bin/go" "$tools/bin/go"
}

get_node() {
	{ has node && has npm; } || sh common/deps/setup.sh nodejs npm
}

kubectl_version() {
	has kubectl && kubectl version --client -o json 2>/dev/null | sed -n 's/.*"gitVersion": "v\([0-9.]*\).*/\1/p' | head -n 1
}

get_kubectl() {
	! at_least "$KUBECTL_AT_LEAST" "$(kubectl_version)" || return 0
	if at_least "$KUBECTL_AT_LEAST" "$(LC_ALL=C apt-cache policy kubernetes-client 2>/dev/null | sed -n 's/^ *Candidate: \([0-9.]*\).*/\1/p')"; then
		sh common/deps/setup.sh kubernetes-client && return 0
	fi
	at_least "$GO_AT_LEAST" "$(go_version)" || get_go || return
	say 'building kubectl from its module (some minutes; once)'
	version=v1.$(sed -n 's/.*k8s.io\/kubectl v0\.//p' tests/e2e/kubectl/go.mod)
	(cd tests/e2e/kubectl && in_go go build -trimpath -buildvcs=false -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version" \
		-o "$tools/bin/kubectl" .)
}

# Of Debian's packages that would start a service only the programs are taken.
programs_of() { # programs_of PACKAGE PROGRAM...
	package=$1
	shift
	rm -rf "${tools:?}/$package"
	mkdir "$tools/$package"
	if (cd "$tools/$package" && apt-get -qq download "$package" && dpkg -x ./*.deb . && cd usr/bin && cp "$@" "$tools/bin/") >"$tools/$package.log" 2>&1
	then
		rm -rf "${tools:?}/$package"
		return
	fi
	tail -n 2 "$tools/$package.log" >&2
	return 1
}

get_docker_registry() {
	! has docker-registry || return 0
	! programs_of docker-registry docker-registry || return 0
	at_least "$GO_AT_LEAST" "$(go_version)" || get_go || return
	in_go go install -trimpath -ldflags '-s -w' "$REGISTRY" && mv "$tools/bin/registry" "$tools/bin/docker-registry"
}

get_hclfmt() { # where there is no terraform, which has the same code
	! { has terraform || has hclfmt; } || return 0
	at_least "$GO_AT_LEAST" "$(go_version)" || get_go || return
	in_go go install -trimpath "$HCLFMT"
}

get_minio() {
	! has minio || return 0
	at_least "$GO_AT_LEAST" "$(go_version)" || get_go || return
	say 'building MinIO from its module (some minutes; once)'
	in_go go install -trimpath -ldflags '-s -w' "$MINIO"
}

get_prometheus() {
	! { has prometheus && has promtool; } || return 0
	if [ -n "$(apt-cache -q0 show promtool 2>/dev/null)" ]; then # a package of its own from Debian 13 on
		programs_of prometheus prometheus && programs_of promtool promtool
	else
		programs_of prometheus prometheus promtool
	fi
}

# PostgreSQL's server, for tests/integration/harness/postgres.py, and those of its libraries that the machine lacks: unpacked, in $tools/postgres.
# Installed, it would start a service. What only its compiler of queries and Debian's scripts want (LLVM, Perl) is left out.
get_postgres() {
	made=$tools/postgres
	whole=$made/.of-$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	[ ! -e "$whole" ] && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || return 0
	package=$(LC_ALL=C apt-cache depends postgresql 2>/dev/null | sed -n 's/^ *Depends: \(postgresql-[0-9]*\)$/\1/p')
	[ -n "$package" ] || return
	libraries=$(LC_ALL=C apt-get -s --no-install-recommends install "$package" 2>/dev/null | sed -n 's/^Inst \(lib[^ ]*\) .*/\1/p' |
		grep -v -e '^libc[6-]' -e '^libllvm' -e '^libz3' -e perl -e '-dev$')
	rm -rf "$made"
	mkdir -p "$made" || return
	# shellcheck disable=SC2086 # words
	if (
		cd "$made" && apt-get -qq download "$package" $libraries || exit
		for file in *.deb; do
			dpkg -x "$file" . && rm "$file" || exit
		done
		rm -rf usr/share/locale usr/share/doc usr/lib/postgresql/*/lib/bitcode usr/lib/postgresql/*/lib/llvmjit*
		env "LD_LIBRARY_PATH=$(echo usr/lib/*-linux-gnu)" usr/lib/postgresql/*/bin/postgres --version
	) >"$made.log" 2>&1; then
		touch "$whole"
		return
	fi
	tail -n 2 "$made.log" >&2
	return 1
}

helm_version() {
	has helm && helm version --template '{{.Version}}' 2>/dev/null | sed 's/^v//'
}

get_helm() {
	! at_least "$HELM_AT_LEAST" "$(helm_version)" || return 0
	at_least "$GO_AT_LEAST" "$(go_version)" || get_go || return
	say 'building helm from its module (some minutes; once)'
	module=helm.sh/helm/v3
	flags="-s -w -X $module/internal/version.version=v$HELM"
	for package in pkg/chartutil pkg/lint/rules; do
		flags="$flags -X $module/$package.k8sVersionMajor=1 -X $module/$package.k8sVersionMinor=$HELM_KUBERNETES"
	done
	in_go go install -trimpath -ldflags "$flags" "$module/cmd/helm@v$HELM"
}

get_actionlint() {
	! has actionlint || return 0
	at_least "$GO_AT_LEAST" "$(go_version)" || get_go || return
	in_go go install -trimpath -ldflags '-s -w' "$ACTIONLINT"
}

# Kubernetes and etcd, one program for all, and EKS' own webhook, from their modules; containerd, runc and the CNI plugins are Debian's, unpacked:
# installed, they would start services. Made anew when what it is made of changes; words that are said are not part of that.
get_cluster() {
	made=$tools/cluster
	here=tests/e2e/cluster
	key=$({
		cat "$here"/*/go.mod "$here"/*/main.go
		sed -n '/^get_cluster/,/^}/{s/ say .*//;p}' tests/tools.sh
		sed -n 's/^VERSION_CODENAME=//p' /etc/os-release
	} | sha256sum | cut -c1-16)
	[ ! -e "$made/.made-of-$key" ] || return 0
	at_least "$GO_AT_LEAST" "$(go_version)" || get_go || return
	say 'building a Kubernetes from its modules (ten minutes or more; once)'
	version=$(sed -n 's/.*k8s.io\/kubernetes \(v[0-9.]*\)$/\1/p' "$here/kubernetes/go.mod")
	minor=${version#v1.}
	flags='-s -w'
	for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		flags="$flags -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=${minor%.*} -X $package.gitTreeState=clean"
	done
	rm -rf "$made"
	mkdir -p "$made/bin" "$made/debs" || return
	(cd "$here/kubernetes" && in_go go build -trimpath -buildvcs=false -ldflags "$flags" -o "$made/bin/kubernetes" .) || return
	for name in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl; do
		ln -s kubernetes "$made/bin/$name" || return
	done
	(cd "$here/pause" && in_go go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$made/bin/pause" .) || return
	(cd "$here/webhook" && in_go go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$made/bin/webhook" \
		github.com/aws/amazon-eks-pod-identity-webhook) || say "EKS' webhook cannot be built: our policy injects instead, and IRSA is not tested"
	chmod 0755 "$made/debs"
	(cd "$made/debs" && apt-get -qq download containerd runc containernetworking-plugins && for file in *.deb; do
		dpkg -x "$file" . && rm "$file" || exit
	done) || return
	touch "$made/.made-of-$key"
}

# The API server of a Kubernetes that has as stable what is beta in the cluster's own. Made anew when what it is made of changes.
get_apiserver() {
	made=$tools/apiserver
	here=tests/e2e/apiserver
	key=$({
		cat "$here/go.mod" "$here/main.go"
		sed -n '/^get_apiserver/,/^}/{s/ say .*//;p}' tests/tools.sh
	} | sha256sum | cut -c1-16)
	[ ! -e "$made/.made-of-$key" ] || return 0
	get_go "$(sed -n 's/^go \([0-9.]*\)$/\1/p' "$here/go.mod")" || return
	say 'building the API server of a newer Kubernetes from its module (five minutes or more; once)'
	version=$(sed -n 's/.*k8s.io\/kubernetes \(v[0-9.]*\)$/\1/p' "$here/go.mod")
	minor=${version#v1.}
	flags='-s -w'
	for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		flags="$flags -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=${minor%.*} -X $package.gitTreeState=clean"
	done
	rm -rf "$made"
	mkdir -p "$made" || return
	(cd "$here" && in_go go build -trimpath -buildvcs=false -ldflags "$flags" -o "$made/kube-apiserver" .) && touch "$made/.made-of-$key"
}

get() {
	case $1 in
	go) get_go ;;
	node) get_node ;;
	kubectl) get_kubectl ;;
	docker-registry) get_docker_registry ;;
	hclfmt) get_hclfmt ;;
	minio) get_minio ;;
	helm) get_helm ;;
	actionlint) get_actionlint ;;
	prometheus) get_prometheus ;;
	postgres) get_postgres ;;
	cluster) get_cluster ;;
	apiserver) get_apiserver ;;
	*) say "$1: no such tool" && exit 64 ;;
	esac
}

for tool; do
	get "$tool" || say "no $tool: neither the machine nor Debian nor Go's modules offer one that is new enough (above);" \
		'tests that need it will be skipped'
done
