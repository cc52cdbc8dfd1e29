#!/bin/bash
# The node: process 1 of namespaces of its own for processes, mounts and network (cluster.sh). Starts everything, and waits for the end of its
# standard input: its own end is that of all the others, and of all mounts.
set -eu
made=$1 run=$2 cgroup=$3 name=$4 newer=$5
pki=$run/pki
export PATH="$made/bin:$made/debs/usr/sbin:$made/debs/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# ---- files: what the programs write at fixed places goes to places of our own ----
mount --make-rprivate /
for folder in /run /var/lib /var/log; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done
mkdir -p /run/containerd /run/netns
mount --bind "$run/kubelet" "$run/kubelet"
mount --make-rshared "$run/kubelet"
printf '127.0.0.1 localhost node\n' >"$run/hosts"
printf 'nameserver 10.99.0.1\noptions timeout:2 attempts:2\n' >"$run/resolv.conf"
for file in hosts resolv.conf; do [ ! -e "/etc/$file" ] || mount --bind "$run/$file" "/etc/$file"; done
# These the kubelet sets for the whole machine, unless they are what it wants: it finds them so, in here.
for each in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 kernel/keys/root_maxkeys=1000000 \
	kernel/keys/root_maxbytes=25000000; do
	[ -e "/proc/sys/${each%=*}" ] || continue
	file=$run/sysctl/$(basename "${each%=*}")
	echo "${each#*=}" >"$file"
	mount --bind "$file" "/proc/sys/${each%=*}"
done

# ---- network: the node's address, the API server's, and those of AWS' services; nothing leads out ----
ip link set lo up
ip link add node0 type bridge
ip addr add 10.99.0.1/24 dev node0
ip addr add 10.99.0.2/24 dev node0
ip link set node0 up
ip route add default dev node0
ip addr add 10.96.0.1/32 dev lo
ip addr add 169.254.169.254/32 dev lo
# The link of the agent: of the type dummy, where the kernel has it.
ip link add pod-id-link0 type dummy 2>/dev/null || ip link add pod-id-link0 type bridge
echo 1 >/proc/sys/net/ipv4/ip_forward

# ---- cgroups: below one of our own; cluster.sh takes it away ----
if [ "$cgroup" = 1 ]; then
	for each in /sys/fs/cgroup/*/; do [ ! -e "$each/tasks" ] || mkdir -p "$each/$name"; done
	for file in cpuset.cpus cpuset.mems; do cat "/sys/fs/cgroup/cpuset/$file" >"/sys/fs/cgroup/cpuset/$name/$file"; done
else
	mkdir -p "/sys/fs/cgroup/$name"
fi

# ---- the programs ----
start() { # start NAME COMMAND...
	local log=$run/log/$1.log
	shift
	"$@" </dev/null >>"$log" 2>&1 &
}

kubelet_again() { # a kubelet that ends is started again, as on any node
	while :; do
		kubelet --kubeconfig="$pki/kubelet.kubeconfig" --config="$run/kubelet.yaml" --hostname-override=node --node-ip=10.99.0.1 \
			--root-dir="$run/kubelet" --cert-dir="$run/kubelet-pki" &
		echo $! >"$run/kubelet.pid"
		wait $! || :
		sleep 1
	done
}

until_ready() { # until_ready SECONDS WHAT COMMAND...
	local end=$((SECONDS + $1 * ${POD_IDENTITY_TEST_SLOWNESS:-1})) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || {
			echo "not in time: $what" >&2
			exit 1
		}
		sleep 0.1
	done
}

api() { kubectl --kubeconfig "$pki/admin.kubeconfig" "$@"; }
node_ready() { [ "$(api get node node -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ] && api get serviceaccount default; }

start etcd etcd --data-dir "$run/etcd" --unsafe-no-fsync --listen-client-urls http://127.0.0.1:2379 \
	--advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380
start containerd containerd --config "$run/containerd.toml"
# Mutating policies are beta, and off, in the cluster's own; a newer one has them as they come.
beta='--feature-gates=MutatingAdmissionPolicy=true --runtime-config=admissionregistration.k8s.io/v1beta1=true'
[ -z "$newer" ] || beta=
# shellcheck disable=SC2086  # a list of words
start apiserver "${newer:-kube-apiserver}" --etcd-servers=http://127.0.0.1:2379 --bind-address=10.96.0.1 --secure-port=443 --advertise-address=10.99.0.1 \
	--client-ca-file="$pki/ca.crt" --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
	--kubelet-client-certificate="$pki/to-kubelet.crt" --kubelet-client-key="$pki/to-kubelet.key" \
	--kubelet-certificate-authority="$pki/ca.crt" --kubelet-preferred-address-types=InternalIP \
	--service-account-issuer=https://kubernetes.default.svc.cluster.local --service-account-key-file="$pki/accounts.pub" \
	--service-account-jwks-uri=https://kubernetes.default.svc.cluster.local/openid/v1/jwks \
	--service-account-signing-key-file="$pki/accounts.key" --service-cluster-ip-range=10.96.0.0/24 --authorization-mode=Node,RBAC \
	--allow-privileged=true --profiling=false --enable-aggregator-routing=true $beta
until_ready 120 'the API server' api get --raw /readyz
start manager kube-controller-manager --kubeconfig="$pki/manager.kubeconfig" --service-account-private-key-file="$pki/accounts.key" \
	--root-ca-file="$pki/ca.crt" --use-service-account-credentials=true --leader-elect=false --bind-address=127.0.0.1
start scheduler kube-scheduler --kubeconfig="$pki/scheduler.kubeconfig" --authentication-kubeconfig="$pki/scheduler.kubeconfig" \
	--authorization-kubeconfig="$pki/scheduler.kubeconfig" --leader-elect=false --bind-address=127.0.0.1
until_ready 60 containerd ctr version
start kubelet kubelet_again
until_ready 120 'the node' node_ready
touch "$run/ready"
cat >/dev/null # until the end of standard input
