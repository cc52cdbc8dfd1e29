#!/bin/sh
# The AWS SDK for Java v2, and a release of November 2023, from before Pod Identity.
# shellcheck disable=SC1091,SC2034,SC2154
shared='../maven.sh ../Line.java'
. "$(dirname "$0")/../lib.sh"
. "$src/../maven.sh"

for version in 2.57.8 2.21.20; do
	if to_build "java-v2-$version"; then
		java_client "java-v2-$version" "$version"
		built "java-v2-$version"
	fi
done
