#!/bin/sh
# DuckDB's wheel and those of its extensions.
# shellcheck disable=SC1091,SC2154
. "$(dirname "$0")/../lib.sh"

if to_build duckdb-1.5.5; then
	venv duckdb-1.5.5 --only-binary :all: duckdb==1.5.5 duckdb-extension-httpfs==1.5.5 duckdb-extension-aws==1.5.5
	built duckdb-1.5.5
fi
