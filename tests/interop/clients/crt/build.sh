#!/bin/sh
# The AWS Common Runtime, as it is in awscrt's wheels; 0.19.19 is of December 2023.
# shellcheck disable=SC1091,SC2154
. "$(dirname "$0")/../lib.sh"

for version in 0.38.1 0.19.19; do
	if to_build "crt-$version"; then
		venv "crt-$version" --only-binary :all: "awscrt==$version"
		built "crt-$version"
	fi
done
