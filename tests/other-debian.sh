#!/bin/sh
# Runs a command in this repository on another release of Debian: other-debian.sh [--suite SUITE] [COMMAND...]
#
# SUITE is a code name; without it, trixie on bookworm, and bookworm elsewhere. COMMAND is `sh` if none is given.
# The root is minimal: what debootstrap makes, and make, git and ca-certificates. A clone of the repository lies in root's
# home, with what is not committed yet. Mounts, processes and IPC are in namespaces of their own. The network is the
# machine's, because packages come from the mirror of this machine's apt.
# The root and downloaded packages are kept in ${XDG_CACHE_HOME:-~/.cache}/pod-identity; COMMAND works in a copy.
# What COMMAND leaves in build/test is in build/test-SUITE afterwards.
#
# Exit: that of COMMAND; 77 if the other Debian cannot be had, and the reason is said.
set -eu
cd "$(dirname "$0")/.."
self=tests/other-debian.sh
PACKAGES=make,git,ca-certificates
REPOSITORY=root/pod-identity # in the root; a folder that other users cannot enter, as a user may have it

unavailable() {
	printf 'other-debian: %s\n' "$@" >&2
	exit 77
}

# ---- inside, as the first process of the namespaces: enter ROOT COMMAND... ----

if [ "${1:-}" = --enter ]; then
	root=$2
	cache=$3
	shift 3
	mount --bind "$root" "$root"
	mount -t proc proc "$root/proc"
	mount --rbind /sys "$root/sys"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs -o mode=755 tmpfs "$root/run"
	mkdir "$root/run/lock"
	mount --bind "$cache" "$root/var/cache/apt/archives"
	cd "$root"
	mkdir -p .machine
	pivot_root . .machine
	exec chroot . sh -ec 'umount -l /.machine; rmdir /.machine; cd /'"$REPOSITORY"'; exec "$@"' sh "$@"
fi

# ---- which one, and where ----

own=$(sed -n "s/^VERSION_CODENAME=//p" /etc/os-release)
suite=trixie
[ "$own" = bookworm ] || suite=bookworm
while [ $# -gt 0 ]; do
	case $1 in
	--suite)
		suite=$2
		shift 2
		;;
	*) break ;;
	esac
done
[ $# -gt 0 ] || set -- sh
[ "$(id -u)" -eq 0 ] || unavailable 'only root can make and enter the root of another Debian: sudo make test-other-debian'
sh common/deps/setup.sh debootstrap debian-archive-keyring util-linux || unavailable 'debootstrap cannot be installed'
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/pod-identity
mkdir -p "$cache"

# What apt of this machine reads of Debian, as "LABEL URI SUITE", with the other suite's name in place of the own.
known() {
	# shellcheck disable=SC2016  # $(LABEL) and so on are for apt
	apt-get indextargets --format '$(LABEL) $(REPO_URI) $(RELEASE)' 'Origin: Debian' 'Created-By: Packages' |
		sed -n "s/ $own\(-updates\|-security\)\{0,1\}\$/ $suite\1/p" | sort -u
}
known=$(known)
[ -n "$known" ] || { # a fresh image has no lists yet
	apt-get -qq update || :
	known=$(known)
}
mirror=$(echo "$known" | sed -n "s/^Debian \(.*\) $suite\$/\1/p" | head -n 1)
[ -n "$mirror" ] || unavailable "apt of this machine knows no mirror of Debian ($own)"

# ---- the minimal root ----

minimal=$cache/$suite-$(echo "$suite $PACKAGES $mirror $(uname -m)" | cksum | cut -d' ' -f1)
make_minimal() {
	rm -rf "$minimal.new"
	debootstrap --variant=minbase --include="$PACKAGES" "$suite" "$minimal.new" "$mirror" >"$cache/debootstrap.log" 2>&1 || {
		tail -n 5 "$cache/debootstrap.log" >&2
		rm -rf "$minimal.new"
		return 1
	}
	mv "$minimal.new" "$minimal"
}
exec 9>"$cache/lock"
flock 9
if [ ! -d "$minimal" ]; then
	echo "other-debian: making a minimal $suite in $minimal"
	make_minimal || unavailable "$suite cannot be had from the mirror of this machine's apt, $mirror (above: debootstrap's words)"
fi
for left in "$cache"/run-*; do # of runs that were killed
	[ ! -d "$left" ] || [ -d "/proc/${left##*-}" ] || rm -rf --one-file-system "$left"
done
root=$cache/run-$suite-$$
trap 'rm -rf --one-file-system "$root"' EXIT
trap 'exit 130' INT TERM
cp -a --reflink=auto "$minimal" "$root"
flock -u 9

# ---- the way to the network is this machine's, and so are the certificates that it trusts ----

cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
[ ! -f /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/"
apt-config dump | grep -iE '^Acquire::(https?|[a-z:]*proxy)' >"$root/etc/apt/apt.conf.d/90machine" || :
echo "$known" | while read -r _ uri name; do echo "deb $uri $name main"; done >"$root/etc/apt/sources.list"
if ls /usr/local/share/ca-certificates/*.crt >/dev/null 2>&1; then
	cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/"
	chroot "$root" update-ca-certificates >/dev/null 2>&1
fi

# ---- the repository ----

git -c safe.directory='*' clone -q --no-hardlinks . "$root/$REPOSITORY"
git diff --quiet HEAD || git diff --binary HEAD | (cd "$root/$REPOSITORY" && git apply)
git ls-files --others --exclude-standard | tar -T - -cf - | tar -xf - -C "$root/$REPOSITORY"

# ---- the command ----

mkdir -p "$cache/archives-$suite/partial"
status=0
env -u TMPDIR -u XDG_CACHE_HOME -u LANG -u LC_ALL -u MAKEFLAGS -u MAKELEVEL -u MFLAGS HOME=/root USER=root \
	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	unshare --mount --pid --ipc --uts --fork --kill-child \
	sh "$self" --enter "$root" "$cache/archives-$suite" "$@" || status=$?
if [ -d "$root/$REPOSITORY/build/test" ]; then
	rm -rf "build/test-$suite"
	mkdir -p build
	cp -R "$root/$REPOSITORY/build/test" "build/test-$suite"
fi
exit "$status"
