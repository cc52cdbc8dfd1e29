#!/bin/sh
# AsyncAws, which is what Debian packages for PHP. (The AWS SDK for PHP itself is in Packagist alone.)
# shellcheck disable=SC1091,SC2034,SC2154
shared=../debs.sh
. "$(dirname "$0")/../lib.sh"
. "$src/../debs.sh"

command -v php >/dev/null || cannot 'there is no php: make setup-interop'
if to_build asyncaws-1.25.0; then
	debs asyncaws-1.25.0 trixie php-async-aws-core=1.25.0-1 php-psr-cache php-psr-container php-psr-log \
		php-symfony-deprecation-contracts php-symfony-http-client php-symfony-http-client-contracts php-symfony-service-contracts
	built asyncaws-1.25.0
fi
