#!/bin/sh
# The AWS SDKs for Go and minio-go: static programs.
# shellcheck disable=SC1091,SC2154
. "$(dirname "$0")/../lib.sh"
export GOPATH="$out/gopath" GOCACHE="$out/gocache" GOFLAGS=-modcacherw GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0

go_program() { # go_program NAME SOURCE MODULE@VERSION
	to_build "$1" || return 0
	command -v go >/dev/null || cannot 'there is no go: make setup-interop'
	rm -rf "${out:?}/$1"
	mkdir "$out/$1"
	cp "$src/loop.go" "$src/$2" "$out/$1/"
	(cd "$out/$1" && go mod init client && go get "$3" && go mod tidy) >"$out/$1.log" 2>&1 || cannot "go: $(tail -n 1 "$out/$1.log")"
	(cd "$out/$1" && go build -trimpath -ldflags='-s -w' -o client .) >"$out/$1.log" 2>&1 || {
		tail -n 5 "$out/$1.log"
		exit 1
	}
	built "$1"
}

go_program go-v2-1.33.18 v2.go github.com/aws/aws-sdk-go-v2/config@v1.33.18
go_program go-v2-1.18.45 v2.go github.com/aws/aws-sdk-go-v2/config@v1.18.45
go_program go-v1-1.55.8 v1.go github.com/aws/aws-sdk-go@v1.55.8
go_program go-v1-1.47.9 v1.go github.com/aws/aws-sdk-go@v1.47.9
go_program minio-go-7.4.1 minio.go github.com/minio/minio-go/v7@v7.4.1
go_program minio-go-7.0.63 minio.go github.com/minio/minio-go/v7@v7.0.63
