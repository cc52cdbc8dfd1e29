#!/bin/sh
# The AWS SDK for Ruby, as Debian 13 and Debian 12 package it.
# shellcheck disable=SC1091,SC2034,SC2154
shared=../debs.sh
. "$(dirname "$0")/../lib.sh"
. "$src/../debs.sh"

rest='ruby-aws-eventstream ruby-aws-partitions ruby-aws-sigv4 ruby-jmespath'
command -v ruby >/dev/null || cannot 'there is no ruby: make setup-interop'
if to_build ruby-3.212.0; then
	# shellcheck disable=SC2086  # a list of words
	debs ruby-3.212.0 trixie ruby-aws-sdk-core=3.212.0-1 $rest
	built ruby-3.212.0
fi
if to_build ruby-3.168.1; then
	# shellcheck disable=SC2086
	debs ruby-3.168.1 bookworm ruby-aws-sdk-core=3.168.1-2 $rest
	built ruby-3.168.1
fi
