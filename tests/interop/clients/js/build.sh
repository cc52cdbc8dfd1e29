#!/bin/sh
# The AWS SDK for JavaScript, versions 3 (the client for STS brings the default chain) and 2.
# shellcheck disable=SC1091,SC2154
. "$(dirname "$0")/../lib.sh"

js() { # js NAME CLIENT PACKAGE
	to_build "$1" || return 0
	{ command -v node && command -v npm; } >/dev/null || cannot 'there is no node or no npm: make setup-interop'
	rm -rf "${out:?}/$1"
	mkdir "$out/$1"
	cp "$src/$2" "$out/$1/"
	(cd "$out/$1" && echo '{"private": true}' >package.json &&
		npm install --ignore-scripts --no-audit --no-fund --no-package-lock --cache="$out/npm" "$3") >"$out/$1.log" 2>&1 ||
		cannot "npm: $(grep -m 1 -i error "$out/$1.log")"
	built "$1"
}

js js-v3-3.1174.0 v3.mjs @aws-sdk/client-sts@3.1174.0
js js-v3-3.449.0 v3.mjs @aws-sdk/client-sts@3.449.0
js js-v2-2.1693.0 v2.js aws-sdk@2.1693.0
js js-v2-2.1530.0 v2.js aws-sdk@2.1530.0
