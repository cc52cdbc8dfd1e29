#!/bin/sh
# GDAL, as it is in rasterio's wheel.
# shellcheck disable=SC1091,SC2154
. "$(dirname "$0")/../lib.sh"

if to_build gdal-3.10; then
	venv gdal-3.10 --only-binary :all: rasterio==1.4.4
	built gdal-3.10
fi
