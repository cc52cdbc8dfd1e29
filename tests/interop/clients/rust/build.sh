#!/bin/sh
# The AWS SDK for Rust: aws-config 1.13.0, and 0.56.1 of August 2023. Not optimized: what takes time is building it.
# shellcheck disable=SC1091,SC2154
. "$(dirname "$0")/../lib.sh"

rust() { # rust VERSION FOLDER
	! to_build "rust-$1" || {
		command -v cargo >/dev/null || cannot 'there is no cargo'
		log=$out/rust-$1.log
		AWS_CONFIG_VERSION=$1 CARGO_TARGET_DIR=$out/target \
			cargo build --release --locked --manifest-path "$src/$2/Cargo.toml" >"$log" 2>&1 || {
			! grep -q 'could not compile' "$log" || exit 1
			cannot "cargo: $(grep -m 1 '^error' "$log" || tail -n 1 "$log")"
		}
		cp "$out/target/release/client" "$out/rust-$1"
		rm -rf "$out/target"
		built "rust-$1"
	}
}
rust 1.13.0 new
rust 0.56.1 old
