#!/bin/sh
# The crate object_store, as it is in obstore's wheel.
# shellcheck disable=SC1091,SC2154
. "$(dirname "$0")/../lib.sh"

if to_build objectstore-0.12.1; then
	venv objectstore-0.12.1 --only-binary :all: obstore==0.12.1
	built objectstore-0.12.1
fi
