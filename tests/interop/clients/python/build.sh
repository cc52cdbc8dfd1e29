#!/bin/sh
# botocore, aiobotocore and minio, each release in a virtual environment of its own.
# shellcheck disable=SC1091,SC2154
. "$(dirname "$0")/../lib.sh"

python() { # python NAME PACKAGE...
	! to_build "$1" || { venv "$@" && built "$1"; }
}

python botocore-1.44.8 botocore==1.44.8
python botocore-1.34.41 botocore==1.34.41
python botocore-1.32.0 botocore==1.32.0
python botocore-1.29.165 botocore==1.29.165
python aiobotocore-3.10.0 aiobotocore==3.10.0
python minio-7.2.20 minio==7.2.20
