# shellcheck shell=sh disable=SC2154  # $out is of lib.sh
# For SDKs that Debian packages; sourced below lib.sh, with shared=../debs.sh above it.

# Packages of one release of Debian, whichever this machine has, unpacked at OUTDIR/NAME: for a scripting language, whose files work
# anywhere. Nothing is installed: apt has directories of its own, and the mirror of the machine's apt (or DEBIAN_MIRROR).
debs() { # debs NAME SUITE PACKAGE[=VERSION]...
	folder=$out/$1
	log=$out/$1.log
	suite=$2
	shift 2
	rm -rf "$folder"
	mkdir -p "$folder/apt/lists/partial" "$folder/apt/archives/partial"
	mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format "\$(REPO_URI)" 'Origin: Debian' 'Label: Debian' 2>/dev/null |
		sort -u | head -n 1)}
	[ -n "$mirror" ] || cannot "apt has no mirror of Debian: apt-get update"
	echo "deb $mirror $suite main" >"$folder/apt/sources.list"
	cat >"$folder/apt/apt.conf" <<-END
		${APT_CONFIG:+#include "$APT_CONFIG";}
		Dir::State "$folder/apt";
		Dir::State::lists "lists";
		Dir::State::status "/dev/null";
		Dir::Cache "$folder/apt";
		Dir::Cache::archives "archives";
		Dir::Etc::sourcelist "$folder/apt/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Acquire::Languages "none";
		#clear APT::Default-Release;
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
	END
	(
		export APT_CONFIG="$folder/apt/apt.conf"
		cd "$folder/apt"
		apt-get -qq update && apt-get -qq download "$@"
	) >"$log" 2>&1 || cannot "apt: $(grep -m 1 '^E:' "$log" || tail -n 1 "$log")"
	for deb in "$folder"/apt/*.deb; do
		dpkg-deb -x "$deb" "$folder"
	done
	rm -rf "$folder/apt"
}
