#!/bin/sh
# Runs a command in this repository on a virtual machine with Debian's kernel and cgroup version 2: vm.sh COMMAND...
#
# The machine sees the file system of this one as it is, and read-only: what it writes goes to its memory and is gone at its end, except what
# COMMAND leaves in build/test, which is in build/test-vm afterwards. It has no network, so what COMMAND needs is built before. It runs without
# hardware's help, so 10 to 30 times as slowly as this one: POD_IDENTITY_TEST_SLOWNESS says so to the tests, which wait for so long. In the
# environment: VM_MEMORY (4G), VM_CPUS (2), VM_PACKAGE (a package of Debian with another kernel).
# The kernel comes from Debian's package, unpacked, not installed, and is kept in ${XDG_CACHE_HOME:-~/.cache}/pod-identity/vm.
#
# Exit: that of COMMAND; 77 if the virtual machine cannot be had, and the reason is said.
set -eu
cd "$(dirname "$0")/.."
# In this order; what they need comes with them.
MODULES='virtio_pci virtio_console 9pnet_virtio 9p overlay bridge br_netfilter veth dummy'
SLOWNESS=10

unavailable() {
	printf 'vm: %s\n' "$@" >&2
	exit 77
}

# ---- inside: the first process of the virtual machine's kernel, before it sees this machine's files ----

if [ "$0" = /init ]; then
	export PATH=/bin
	mount -t proc proc /proc
	while read -r module; do modprobe "$module"; done </modules
	share() { mount -t 9p -o "trans=virtio,version=9p2000.L,msize=512000,$3" "$1" "$2"; }
	mkdir -p /lower /upper /root
	share machine /lower ro,cache=loose
	mount -t tmpfs -o mode=755 tmpfs /upper
	mkdir /upper/files /upper/work
	mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work overlay /root
	mount -t proc proc /root/proc
	mount -t sysfs sysfs /root/sys
	mount -t devtmpfs devtmpfs /root/dev
	mkdir -p /root/dev/pts /root/dev/shm
	mount -t devpts devpts /root/dev/pts
	mount -t cgroup2 cgroup2 /root/sys/fs/cgroup
	for folder in dev/shm run tmp; do mount -t tmpfs tmpfs "/root/$folder"; done
	chmod 1777 /root/tmp /root/dev/shm
	share command /root/mnt access=any
	ip link set lo up
	exec switch_root /root /bin/sh /mnt/run
fi

# ---- outside ----

[ $# -gt 0 ] || {
	echo 'vm: what is it to run?' >&2
	exit 64
}
[ "$(id -u)" -eq 0 ] || unavailable 'only root can show all files of this machine to another: sudo sh tests/vm.sh ...'
case $PWD in /dev/* | /mnt/* | /run/* | /tmp/*) unavailable "the virtual machine has folders of its own where this checkout is: $PWD" ;; esac
[ "$(uname -m)" = x86_64 ] || unavailable 'it is for amd64 alone'
sh common/deps/setup.sh qemu-system-x86 busybox-static cpio || unavailable 'qemu cannot be installed'
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/pod-identity/vm
package=${VM_PACKAGE:-$(LC_ALL=C apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)}
[ -n "$package" ] || unavailable "apt knows no kernel of Debian's: apt-get update"
kernel=$cache/$package
if [ ! -d "$kernel" ]; then
	echo "vm: fetching $package" >&2
	rm -rf "$kernel.new"
	mkdir -p "$kernel.new"
	(cd "$kernel.new" && apt-get -qq download "$package" && dpkg -x ./*.deb . && rm ./*.deb) 2>"$cache/log" ||
		unavailable "the package $package cannot be fetched:" "$(tail -n 2 "$cache/log")"
	mv "$kernel.new" "$kernel"
fi
modules=$(echo "$kernel"/*lib/modules/* "$kernel"/usr/lib/modules/* | tr ' ' '\n' | sed -n '/[^*]$/p' | head -n 1)
release=${modules##*/}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# The first files: busybox, the modules with all that they need, and this script.
first=$work/first
mkdir -p "$first/bin" "$first/proc" "$first/lib/modules/$release" "$work/command" build/test-vm
cp "$(command -v busybox)" "$first/bin/busybox"
busybox --list | while read -r name; do [ "$name" = busybox ] || ln -s busybox "$first/bin/$name"; done
cp tests/vm.sh "$first/init"
chmod +x "$first/init"
echo "$MODULES" | tr ' ' '\n' >"$first/modules"
[ -e "$kernel/lib" ] || ln -s usr/lib "$kernel/lib"
[ -s "$modules/modules.dep" ] || busybox depmod -b "$kernel" "$release"
needed() { # needed MODULE: its file, and those of the others that it needs
	grep "/$(echo "$1" | tr _- '..')\.ko[.a-z]*:" "$modules/modules.dep" | tr -d : | tr ' ' '\n'
}
found=
wanted=$MODULES
while [ -n "$wanted" ]; do
	files=$(for module in $wanted; do needed "$module"; done | sort -u)
	wanted=
	for file in $files; do
		case " $found " in *" $file "*) continue ;; esac
		found="$found $file"
		name=$(basename "$file")
		wanted="$wanted ${name%%.ko*}"
		mkdir -p "$first/lib/modules/$release/$(dirname "$file")"
		cp "$modules/$file" "$first/lib/modules/$release/$file"
	done
done
busybox depmod -b "$first" "$release"
(cd "$first" && find . | cpio -o -H newc --quiet) >"$work/initrd"

quoted() { printf "'%s' " "$(printf %s "$1" | sed "s/'/'\\\\''/g")"; }
{
	# shellcheck disable=SC2016  # for the other shell
	echo 'exec </dev/null >"$(echo /dev/vport*p1)" 2>&1'
	for name in PATH HOME XDG_CACHE_HOME LANG LC_ALL CI PYTEST_ADDOPTS; do
		eval "value=\${$name-}"
		[ -z "$value" ] || echo "export $name=$(quoted "$value")"
	done
	echo "export POD_IDENTITY_TEST_SLOWNESS=${POD_IDENTITY_TEST_SLOWNESS:-$SLOWNESS}"
	echo 'hostname vm'
	echo "cd $(quoted "$PWD")"
	echo 'mkdir -p build/test && mount --bind /mnt/test build/test'
	printf 'setsid -w '
	for word; do quoted "$word"; done
	echo
	echo 'echo $? >/mnt/status; sync; busybox poweroff -f'
} >"$work/command/run"
rm -rf build/test-vm
mkdir -p build/test-vm "$work/command/test"

status=0
qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp "${VM_CPUS:-2}" -m "${VM_MEMORY:-4G}" -nodefaults -no-reboot -display none \
	-kernel "$kernel/boot/vmlinuz-$release" -initrd "$work/initrd" -append 'console=ttyS0 quiet panic=-1' -serial "file:$work/console" \
	-device virtio-serial -chardev file,id=words,path=/dev/stdout,append=on -device virtserialport,chardev=words \
	-virtfs local,path=/,mount_tag=machine,security_model=none,readonly=on,multidevs=remap \
	-virtfs "local,path=$work/command,mount_tag=command,security_model=none" </dev/null || status=$?
cp -R "$work/command/test/." build/test-vm
cp "$work/console" build/test-vm/console.log
[ "$status" -eq 0 ] || unavailable "qemu ended with $status"
[ -s "$work/command/status" ] || {
	echo 'vm: the virtual machine ended before the command did:' >&2
	tail -n 20 "$work/console" >&2
	exit 70
}
exit "$(cat "$work/command/status")"
