# shellcheck shell=sh
# What each build.sh begins with, below "shellcheck disable=SC1091,SC2154": . "$(dirname "$0")/../lib.sh"
#
#   if to_build NAME; then …; built NAME; fi
#
# $out is OUTDIR, $src the family's folder. A release is made again when a source, build.sh or this file changes, or one of $shared:
# files of this folder that the family uses, set above the line that includes this one.
set -eu
src=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
names=" $* "
# shellcheck disable=SC2086  # a list of words
sources=$(cd "$src" && find . ../lib.sh ../s3_loop.py ${shared:-} -type f ! -name family.json ! -name '*.pyc' | LC_ALL=C sort |
	xargs sha256sum | sha256sum | cut -d ' ' -f 1)

# Asked for, or nothing was; and not there yet, of these sources.
to_build() { # to_build NAME
	[ "$names" = '  ' ] || case $names in *" $1 "*) ;; *) return 1 ;; esac
	[ "$(cat "$out/.made-$1" 2>/dev/null)" != "$sources" ] || return 1
	rm -f "$out/.made-$1"
}

built() { # built NAME
	echo "$sources" >"$out/.made-$1"
}

# The toolchain or the package is not to be had: no failure.
cannot() { # cannot REASON...
	echo "$*"
	exit 77
}

# A virtual environment at $out/NAME with these packages.
venv() { # venv NAME PACKAGE...
	name=$1
	shift
	{
		rm -rf "${out:?}/$name"
		python3 -m venv "$out/$name" && "$out/$name/bin/python" -m pip install -q --disable-pip-version-check "$@"
	} >"$out/$name.log" 2>&1 || cannot "pip: $(tail -n 1 "$out/$name.log")"
}
