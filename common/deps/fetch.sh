#!/bin/sh
# Gets the source files that deps.lock names into one folder and says which were chosen.
#
#   fetch.sh FOLDER RESULT            what is missing comes from Debian, by apt, as deb-src of the mirror that this machine uses
#   fetch.sh --offline FOLDER RESULT  no network: FOLDER must hold the four upstream tarballs; Debian's patches are used if they are there
#
# RESULT gets one line a library: NAME VERSION DEBIAN-REVISION TARBALL SHA256 DEBIAN-TARBALL SHA256 ("-" where there is none).
# apt gets directories of its own under build/, so this needs no root and changes nothing of the system's.
# The mirror can be set by hand: DEBIAN_MIRROR, DEBIAN_SECURITY_MIRROR.
#
# The same bytes everywhere need the same Debian revisions: the first that the lock names of each package. Where another is used,
# one line says which, and whether its patches are older; with REPRODUCIBLE=1 in the environment it is an error.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
lock=${DEPS_LOCK:-$here/deps.lock}
offline=no
if [ "$1" = --offline ]; then
	offline=yes
	shift
fi
folder=$1
result=$2

die() {
	printf 'fetch: %s\n' "$@" >&2
	exit 1
}

fields() { # fields KIND NAME: that package's lines of the lock, without these two words
	sed -n "s/^$1[[:space:]]\{1,\}$2[[:space:]]\{1,\}//p" "$lock"
}

sha256() {
	sha256sum "$1" | cut -d' ' -f1
}

must_match() { # must_match FILE SHA256
	got=$(sha256 "$1")
	[ "$got" = "$2" ] || die "wrong sha256: $1" "  expected $2" "  got      $got" \
		"  The file is damaged or not the one that common/deps/deps.lock names. Delete it and run make again;" \
		"  if it comes back the same, do not use it: compare with the checksum that upstream publishes."
}

find_tarball() { # sets tarball and tarball_sha; false if there is none
	tarball=-
	tarball_sha=-
	list=$(fields tarball "$1" | while read -r sum names; do for n in $names; do echo "$sum $n"; done; done)
	while read -r sum file; do
		[ -f "$folder/$file" ] || continue
		must_match "$folder/$file" "$sum"
		tarball=$file
		tarball_sha=$sum
		return 0
	done <<-EOF
		$list
	EOF
	return 1
}

pinned() { # pinned NAME: the revision that the lock names first
	fields revision "$1" | sed -n '1s/[[:space:]].*//p'
}

find_patches() { # sets revision, patches and patches_sha; false if there are none: the pinned ones, else the newest in the folder
	revision=-
	patches=-
	patches_sha=-
	list=$(
		pinned "$1"
		for path in "$folder/$1_$2"*.debian.tar.xz; do
			path=${path##*/"$1"_}
			echo "${path%.debian.tar.xz}"
		done | sort -rV
	)
	for rev in $list; do
		file=$1_$rev.debian.tar.xz
		[ -f "$folder/$file" ] || continue
		sum=$(fields revision "$1" | awk -v r="$rev" '$1 == r { print $2; exit }')
		# Not in the lock: the signed index vouched for it when it was downloaded and SHA256SUMS was written.
		[ -n "$sum" ] || sum=$(awk -v f="$file" '$2 == f { print $1; exit }' "$folder/SHA256SUMS" 2>/dev/null || :)
		[ -n "$sum" ] || die "$folder/$file is neither in common/deps/deps.lock nor in SHA256SUMS beside it:" \
			"  add it to the lock once you have checked it, or delete it to build without Debian's patches."
		must_match "$folder/$file" "$sum"
		revision=$rev
		patches=$file
		patches_sha=$sum
		return 0
	done
	return 1
}

packages=$(sed -n 's/^package[[:space:]]\{1,\}\([^[:space:]]*\).*/\1/p' "$lock")

resolve() { # writes RESULT; sets missing to the packages that lack something, and other to those with another revision than the pinned
	missing=
	other=
	: >"$result.new"
	for name in $packages; do
		version=$(fields package "$name" | cut -d' ' -f1)
		find_tarball "$name" || missing="$missing $name"
		if ! find_patches "$name" "$version" && [ $offline = no ]; then
			missing="$missing $name"
		fi
		[ "$revision" = "$(pinned "$name")" ] || other="$other $name"
		echo "$name $version $revision $tarball $tarball_sha $patches $patches_sha" >>"$result.new"
	done
}

older() { # older A B: as Debian compares versions
	if command -v dpkg >/dev/null; then
		dpkg --compare-versions "$1" lt "$2"
	else
		[ "$1" != "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
	fi
}

report_others() { # says what is used instead of what the lock pins; dies if that is not allowed
	while read -r name _ revision _; do
		first=$(pinned "$name")
		[ "$revision" != "$first" ] || continue
		if [ $offline = yes ]; then lacks="$folder does not hold"; else lacks="this machine's Debian mirror does not deliver"; fi
		if [ "$revision" = - ]; then
			uses="it is built without Debian's patches"
		elif older "$revision" "$first"; then
			uses="$revision is used instead, and its patches are older"
		else
			uses="$revision is used instead, and its patches are newer"
		fi
		echo "fetch: $name: the lock pins $first, which $lacks: $uses" >&2
	done <"$result.new"
	[ -z "$other" ] || [ "${REPRODUCIBLE:-}" != 1 ] || die "REPRODUCIBLE=1 allows no other revisions than common/deps/deps.lock names first (above):" \
		"  use a mirror or a folder (make DISTFILES=FOLDER) that has them, or build without REPRODUCIBLE=1."
}

# ---- apt, with directories of its own ----

apt_dir=

apt_setup() { # apt_setup SIGNED-BY-OPTION SUITE... ; a suite NAME-security comes from the security mirror
	apt_dir=$(cd "$folder" && pwd)/.apt
	rm -rf "$apt_dir"
	mkdir -p "$apt_dir/state/lists/partial" "$apt_dir/cache/archives/partial"
	signed=$1
	shift
	for suite in "$@"; do
		case $suite in
		*-security) mirrors=$security_mirrors ;;
		*) mirrors=$main_mirrors ;;
		esac
		for uri in $mirrors; do
			echo "deb-src $signed $uri $suite main"
		done
	done >"$apt_dir/sources.list"
	# The system's own configuration stays in force (proxies, credentials, certificates), except where it would touch the
	# system or reject our sources. This file is read last.
	cat >"$apt_dir/apt.conf" <<-EOF
		${APT_CONFIG:+#include "$APT_CONFIG";}
		Dir::State "$apt_dir/state";
		Dir::State::lists "lists";
		Dir::Cache "$apt_dir/cache";
		Dir::Cache::archives "archives";
		Dir::Etc::sourcelist "$apt_dir/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		#clear APT::Default-Release;
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
	EOF
}

apt() {
	tool=$1
	shift
	APT_CONFIG=$apt_dir/apt.conf LC_ALL=C "$tool" "$@"
}

find_mirrors() {
	main_mirrors=${DEBIAN_MIRROR:-}
	security_mirrors=${DEBIAN_SECURITY_MIRROR:-}
	# Once apt has its lists it knows what each one is; a fresh container has none, but can still tell what it would fetch.
	# shellcheck disable=SC2016  # $(LABEL) and so on are for apt
	known=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Origin: Debian' 2>/dev/null |
		sed 's,/$,,' | sort -u)
	if [ -z "$known" ]; then
		known=$(apt-get -o Dir::State::lists=/nonexistent update --print-uris 2>/dev/null |
			sed -n "s,^'\(.*\)/dists/\([^/]*\)/InRelease'.*,\2 \1,p" |
			sed -n -e 's,^[a-z]*-security ,Debian-Security ,p' \
				-e 's,^\(bullseye\|bookworm\|trixie\|forky\|duke\|sid\|stable\|oldstable\|testing\|unstable\)\(-[a-z]*\)\{0\,1\} ,Debian ,p' |
			sort -u)
	fi
	: "${main_mirrors:=$(echo "$known" | sed -n 's/^Debian //p')}"
	: "${security_mirrors:=$(echo "$known" | sed -n 's/^Debian-Security //p')}"
	[ -n "$main_mirrors" ] || die "this machine's apt has no Debian mirror (apt-get indextargets shows none)." \
		"  Say which to use: make DEBIAN_MIRROR=URI; or put the tarballs that common/deps/deps.lock names" \
		"  into a folder and use make DISTFILES=FOLDER."
}

offered() { # offered NAME: "REVISION TARBALL-SHA256" for all that the index holds
	apt apt-cache showsrc --only-source "$1" 2>/dev/null | awk '
		/^Version:/ { version = $2 }
		/^[A-Z]/ { sums = /^Checksums-Sha256:/ }
		sums && $3 ~ /\.orig\.tar\.[a-z0-9]+$/ { print version, $1 }' | sort -u
}

download() { # download NAME: the first revision that can be had
	name=$1
	index=$(offered "$name")
	[ -n "$index" ] || return 1
	sums=$(fields tarball "$name" | cut -d' ' -f1)
	good=$(echo "$index" | while read -r rev sum; do
		for s in $sums; do [ "$s" != "$sum" ] || echo "$rev"; done
	done)
	# What the lock pins; if that is gone, the newest.
	tries=$(
		pinned "$name"
		echo "$good" | sort -rV
	)
	tried=
	for rev in $tries; do
		echo "$good" | grep -Fqx -- "$rev" || continue
		case " $tried " in *" $rev "*) continue ;; esac
		tried="$tried $rev"
		# Here already, and nothing better is to be found.
		! grep -q "^$name [^ ]* $rev [^-]" "$result.new" || return 0
		rm -rf "$apt_dir/new"
		mkdir "$apt_dir/new"
		if (cd "$apt_dir/new" && apt apt-get -qq -o Acquire::Retries=1 source --download-only --only-source "$name=$rev") \
			>"$apt_dir/log" 2>&1; then
			echo "fetch: $name $rev"
			# apt checked these against the signed index; SHA256SUMS keeps that knowledge with the files.
			for file in "$apt_dir/new"/*.orig.tar.?z "$apt_dir/new"/*.debian.tar.?z; do
				touch "$folder/SHA256SUMS"
				sed -i "/ ${file##*/}\$/d" "$folder/SHA256SUMS"
				(cd "$apt_dir/new" && sha256sum "${file##*/}") >>"$folder/SHA256SUMS"
				mv "$file" "$folder/"
			done
			return 0
		fi
	done
	return 1
}

fetch_missing() { # gets the packages in missing, and dies if one of those in needed is not to be found
	find_mirrors
	command -v apt-get >/dev/null || die "apt-get is not here: put the tarballs that common/deps/deps.lock names into a folder, then make DISTFILES=FOLDER"
	keyring=
	for k in /usr/share/keyrings/debian-archive-keyring.pgp /usr/share/keyrings/debian-archive-keyring.gpg; do
		[ ! -f "$k" ] || keyring="[signed-by=$k]"
	done
	# The releases that hold these versions; then, if something is gone from there, the development suites; then the same with
	# the keys that the machine's apt itself trusts (a mirror signed anew by a company). Never without a signature.
	released="trixie trixie-updates trixie-security bookworm bookworm-updates bookworm-security"
	for signed in "$keyring" ""; do
		for suites in "$released" "$released sid forky"; do
			# shellcheck disable=SC2086  # a list of words
			apt_setup "$signed" $suites
			echo "fetch: reading the index of Debian sources"
			# A suite that cannot be had makes apt fail though the others were read: what counts is what download finds.
			apt apt-get -q update >"$apt_dir/update.log" 2>&1 || :
			left=
			for name in $missing; do
				download "$name" || case " $needed " in *" $name "*) left="$left $name" ;; esac
			done
			missing=$left
			[ -n "$missing" ] || break 2
		done
	done
	if [ -n "$missing" ]; then
		grep -E '^(E|W|Err)' "$apt_dir/update.log" >&2 || :
		[ ! -s "$apt_dir/log" ] || grep -E '^(E|Err)' "$apt_dir/log" >&2 || :
		die "no mirror of this machine's apt offers the sources of:$missing" \
			"  with an upstream tarball that common/deps/deps.lock names. Either the mirror is out of reach (see above)," \
			"  or it carries neither trixie nor bookworm: put the tarballs into a folder and use make DISTFILES=FOLDER."
	fi
	rm -rf "$apt_dir"
}

# The sums that the signed index vouched for also hold for what is already in the folder.
mkdir -p "$folder" "$(dirname "$result")"
resolve
if [ $offline = yes ]; then
	[ -z "$missing" ] || die "$folder lacks the upstream tarball of:$missing" \
		"  It needs these files (common/deps/deps.lock has other names and the sha256 of each):" \
		"$(sed -n 's/^tarball[[:space:]]*[^[:space:]]*[[:space:]]*[^[:space:]]*[[:space:]]*\([^[:space:]]*\).*/    \1/p' "$lock")"
elif [ -n "$missing$other" ]; then
	needed=$missing
	# shellcheck disable=SC2086  # a list of words
	missing=$(printf '%s\n' $missing $other | sort -u)
	if [ -n "$needed" ]; then
		fetch_missing
	else
		# What is here will do if the mirror has nothing better, or is out of reach.
		(fetch_missing) 2>/dev/null || :
	fi
	resolve
	[ -z "$missing" ] || die "still incomplete after the download:$missing"
fi
report_others
mv "$result.new" "$result"
