#!/bin/sh
# libcurl as the programs have it, its sources with our patches and its configuration, for the machine's own C library:
# curl.sh SRC CONFIG OUT CC FLAG...
# CONFIG is the curl_config.h that common/deps/build.sh made with musl; OUT becomes the library.
set -eu
src=$1
config=$2
out=$3
cc=$4
shift 4

objects=${out%.a}
rm -rf "$objects" "$out"
mkdir -p "$objects"
# The one header of musl's that other C libraries have dropped.
{
	cat "$config"
	echo '#undef HAVE_STROPTS_H'
} >"$objects/curl_config.h"

find "$src/curl/lib" -name '*.c' | sort | sed "s|^$src/curl/lib/||" >"$objects/files"
# shellcheck disable=SC2016  # the inner shell's
xargs -P "$(nproc)" -I '{}' sh -c 'file=$1 src=$2 objects=$3 && shift 3 && exec "$@" -w -D_GNU_SOURCE -DHAVE_CONFIG_H -DBUILDING_LIBCURL -DCURL_STATICLIB \
	-I"$objects" -I"$src/curl/include" -I"$src/curl/lib" -I"$src/bearssl/inc" -c "$src/curl/lib/$file" -o "$objects/$(echo "$file" | tr / _).o"' \
	curl '{}' "$src" "$objects" "$cc" "$@" <"$objects/files"
ar rcsD "$out" "$objects"/*.o
