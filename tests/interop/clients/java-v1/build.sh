#!/bin/sh
# The AWS SDK for Java v1: the last release, and one of November 2023.
# shellcheck disable=SC1091,SC2034,SC2154
shared='../maven.sh ../Line.java'
. "$(dirname "$0")/../lib.sh"
. "$src/../maven.sh"

for version in 1.12.797 1.12.585; do
	if to_build "java-v1-$version"; then
		java_client "java-v1-$version" "$version"
		built "java-v1-$version"
	fi
done
