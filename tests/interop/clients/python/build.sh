#!/bin/sh
# botocore, aiobotocore, minio and the AWS CLI, each release in a virtual environment of its own.
# shellcheck disable=SC1091
. "$(dirname "$0")/../lib.sh"

python() { # python NAME PACKAGE...
	! to_build "$1" || { venv "$@" && built "$1"; }
}

python botocore-1.44.8 botocore==1.44.8
python botocore-1.32.0 botocore==1.32.0
python botocore-1.29.165 botocore==1.29.165
