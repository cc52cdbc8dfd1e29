#!/bin/bash
# A Kubernetes of one node, in namespaces of its own: cluster.sh MADE RUN [API-SERVER]. It runs until its standard input ends, and leaves
# nothing behind.
#
# MADE is the folder that `tests/tools.sh cluster` filled. RUN is a new folder with a short name (sockets), on a file system that can be below an
# overlay. In it: `ready` appears once pods can be made, `node.pid` is process 1 of the node (for nsenter), `pki/admin.kubeconfig` is for kubectl,
# `log` has what each program said. API-SERVER is the program of a newer one, which gets no option for what it has turned on by itself.
# Exit: 0; 1 if it did not come up, which it says; 77 if this machine cannot have one, and why.
#
# The node's addresses, in its network alone: 10.99.0.1 and .2 the node's own, 10.96.0.1 the API server's, 10.244.0.0/24 the pods'.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

unavailable() {
	echo "$1" >&2
	exit 77
}

[ "$(id -u)" -eq 0 ] || unavailable 'not root'
[ -x "$1/bin/kubelet" ] || unavailable 'the cluster is not built: make setup-e2e'
[ -z "${3:-}" ] || [ -x "$3" ] || unavailable "the API server $3 is not built: make setup-e2e"
made=$(cd "$1" && pwd)
for tool in unshare nsenter ip openssl mount; do
	command -v "$tool" >/dev/null || unavailable "no $tool: make setup-e2e"
done
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
	cgroup=2
	[ -w /sys/fs/cgroup/cgroup.subtree_control ] || unavailable '/sys/fs/cgroup cannot be written'
	for each in cpu cpuset memory pids; do
		grep -qw "$each" /sys/fs/cgroup/cgroup.controllers || unavailable "no cgroup controller $each in /sys/fs/cgroup/cgroup.controllers"
	done
else
	cgroup=1
	for each in cpu cpuset memory pids devices freezer; do
		[ -w "/sys/fs/cgroup/$each/tasks" ] || unavailable "no cgroup controller $each below /sys/fs/cgroup that can be written"
	done
fi
unshare --net --mount --pid --fork --mount-proc true 2>/dev/null || unavailable 'no namespaces: unshare --net --mount --pid fails'

mkdir "$2"
run=$(cd "$2" && pwd)
name=pod-identity-e2e-$$
mkdir "$run"/{log,cni,kubelet,containerd,etcd,pki,sysctl}

controllers() { tr ' ' '\n' </sys/fs/cgroup/cgroup.subtree_control | sort; }
[ "$cgroup" = 1 ] || controllers >"$run/controllers"

clean_up() {
	trap '' EXIT INT TERM
	[ -z "${unshare:-}" ] || kill -KILL "$unshare" 2>/dev/null || :
	wait || :
	# A cgroup can be removed once its last process is gone, which may take a moment.
	for _ in $(seq 50); do
		left=
		for each in /sys/fs/cgroup/"$name" /sys/fs/cgroup/*/"$name"; do
			[ ! -d "$each" ] || find "$each" -depth -type d -exec rmdir {} + 2>/dev/null || left=$each
		done
		[ -n "$left" ] || break
		sleep 0.1
	done
	[ -z "$left" ] || echo "could not be removed: $left" >&2
	if [ "$cgroup" = 2 ]; then # those that another cluster uses by now are busy, and stay
		for each in $(controllers | comm -13 "$run/controllers" -); do echo "-$each" 2>/dev/null >/sys/fs/cgroup/cgroup.subtree_control || :; done
	fi
	rm -rf "$run"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

# The kubelet does not start unless the cgroup above its own has all of these that the kernel has.
if [ "$cgroup" = 2 ]; then
	for each in cpu cpuset memory pids hugetlb; do
		! grep -qw "$each" /sys/fs/cgroup/cgroup.controllers || echo "+$each" 2>/dev/null >/sys/fs/cgroup/cgroup.subtree_control ||
			unavailable "/sys/fs/cgroup/cgroup.subtree_control does not take +$each, as in a container whose processes are not in a cgroup below"
	done
fi

snapshotter=overlayfs
mkdir "$run/lower" "$run/upper" "$run/work" "$run/merged"
unshare --mount mount -t overlay -o "lowerdir=$run/lower,upperdir=$run/upper,workdir=$run/work" overlay "$run/merged" 2>/dev/null || snapshotter=native

sh "$here/pki.sh" "$run/pki" >"$run/log/pki.log" 2>&1
cat >"$run/containerd.toml" <<END
version = 2
root = "$run/containerd"
state = "/run/containerd"
oom_score = 0
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true # a machine without CAP_SYS_RESOURCE may not lower it
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$made/debs/usr/lib/cni"
    conf_dir = "$run/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "$snapshotter"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "$made/debs/usr/sbin/runc"
END
cat >"$run/cni/10-pods.conflist" <<END
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true,
   "ipam": {"type": "host-local", "dataDir": "$run/cni-data", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
END
cat >"$run/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $run/pki/ca.crt}}
authorization: {mode: AlwaysAllow}
tlsCertFile: $run/pki/kubelet-server.crt
tlsPrivateKeyFile: $run/pki/kubelet-server.key
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
volumePluginDir: $run/kubelet/plugins-volume
cgroupDriver: cgroupfs
cgroupRoot: /$name
failSwapOn: false
oomScoreAdj: 0
resolvConf: $run/resolv.conf
clusterDomain: cluster.local
clusterDNS: [10.99.0.1]
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
END

unshare --net --mount --pid --fork --kill-child --mount-proc bash "$here/node.sh" "$made" "$run" "$cgroup" "$name" "${3:-}" <&0 >>"$run/log/node.log" 2>&1 &
unshare=$!
# Process 1 of the new namespaces is the only child of unshare.
for _ in $(seq 100); do
	read -r child _ <"/proc/$unshare/task/$unshare/children" 2>/dev/null && [ -n "$child" ] && break
	sleep 0.05
done
echo "${child:?}" >"$run/node.pid"
wait "$unshare" || :
[ -e "$run/ready" ] || {
	tail -n 5 "$run/log/node.log" "$run/log/kubelet.log" >&2 || :
	exit 1
}
