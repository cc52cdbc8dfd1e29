#!/bin/sh
# The AWS SDK for Kotlin.
# shellcheck disable=SC1091,SC2034,SC2154
shared='../maven.sh ../Line.java'
. "$(dirname "$0")/../lib.sh"
. "$src/../maven.sh"

if to_build kotlin-1.8.12; then
	java_client kotlin-1.8.12 1.8.12
	built kotlin-1.8.12
fi
