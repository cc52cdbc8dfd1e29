#!/bin/sh
# Checks that programs are what we promise: check-binary.sh [CROSS-PREFIX] PROGRAM...
# Stripping removes the trace of the stack protector, so that is looked for in the unstripped twin, debug/PROGRAM beside it.
set -eu
cross=
case ${1:-} in
*-)
	cross=$1
	shift
	;;
esac
LC_ALL=C
export LC_ALL
status=0

fail() {
	echo "check-binary: $program: $1" >&2
	status=1
}

for program; do
	if ! headers=$("${cross}readelf" -hlW "$program") || ! dynamic=$("${cross}readelf" -dW "$program"); then
		fail "is no ELF file"
		continue
	fi
	before=$status
	status=0
	echo "$headers" | grep -q '^ *Type: *DYN' || fail "is not position-independent"
	if echo "$headers" | grep -q '^ *INTERP'; then fail "asks for an interpreter"; fi
	if echo "$dynamic" | grep -q '(NEEDED)'; then fail "needs shared libraries"; fi
	if echo "$dynamic" | grep -Eq '\((RPATH|RUNPATH)\)'; then fail "has a run path"; fi
	if echo "$dynamic" | grep '(RELASZ)' | grep -qv ' 0 (bytes)'; then fail "has relocations that are not packed"; fi
	if echo "$dynamic" | grep -q '(TEXTREL)'; then fail "has relocations in its text"; fi
	echo "$dynamic" | grep -Eq '\(FLAGS_1\).* NOW' || fail "does not bind now"
	echo "$headers" | grep -q '^ *GNU_RELRO' || fail "has no RELRO"
	echo "$headers" | grep '^ *GNU_STACK' | grep -q ' RW  *0x' || fail "has an executable stack, or does not say"
	if echo "$headers" | grep '^ *LOAD' | grep -q ' RWE '; then fail "has a segment that is writable and executable"; fi
	if "${cross}readelf" -SW "$program" | grep -Eq ' \.(symtab|debug_[a-z]*|note\.gnu\.build-id) '; then
		fail "is not stripped, or has a build id"
	fi
	if strings=$(grep -aoE "$(pwd)[^[:cntrl:]]*" "$program"); then fail "holds a path of this machine: $strings"; fi
	twin=$(dirname "$program")/debug/$(basename "$program")
	if [ ! -f "$twin" ]; then
		fail "has no unstripped twin $twin to look for the stack protector in"
	elif ! "${cross}nm" "$twin" | grep -q ' __stack_chk_fail$'; then
		fail "has no stack protector"
	fi
	[ $status -ne 0 ] || echo "check-binary: $program: static PIE, full RELRO, NX, stack protector, stripped"
	[ $before -eq 0 ] || status=1
done
exit $status
