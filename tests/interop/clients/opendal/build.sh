#!/bin/sh
# Apache OpenDAL's wheel.
# shellcheck disable=SC1091,SC2154
. "$(dirname "$0")/../lib.sh"

if to_build opendal-0.47.12; then
	venv opendal-0.47.12 --only-binary :all: opendal==0.47.12
	built opendal-0.47.12
fi
