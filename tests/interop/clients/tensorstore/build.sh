#!/bin/sh
# tensorstore's wheel.
# shellcheck disable=SC1091,SC2154
. "$(dirname "$0")/../lib.sh"

if to_build tensorstore-0.1.86; then
	venv tensorstore-0.1.86 --only-binary :all: tensorstore==0.1.86
	built tensorstore-0.1.86
fi
