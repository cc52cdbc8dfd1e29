#!/bin/sh
# The AWS SDK for C++, as it is in pyarrow's wheels: 1.11.900 in 26.0.1, 1.10.55 (of March 2023) in 13.0.0.
# shellcheck disable=SC1091,SC2154
. "$(dirname "$0")/../lib.sh"

if to_build cpp-1.11.900; then
	venv cpp-1.11.900 --only-binary :all: pyarrow==26.0.1
	built cpp-1.11.900
fi
if to_build cpp-1.10.55; then
	venv cpp-1.10.55 --only-binary :all: pyarrow==13.0.0 'numpy<2'
	built cpp-1.10.55
fi
