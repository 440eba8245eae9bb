#!/bin/sh
# Builds the hook module for the running kernel, regardless of the kernel's compiler, and tries whether it loads.
# Usage: hook.sh         builds it unless it was built, or could not be built, before
#        hook.sh anew    always builds it
# The programs were built before.
# Creates build/KERNEL-RELEASE/nfqdns.ko, or nfqdns.failed with the output there; the exit status is 0 in both cases.
set -eu
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
built=$lab/build/$(uname -r)
module=$built/nfqdns.ko failed=$built/nfqdns.failed

[ "${1:-}" != anew ] || rm -f "$module" "$failed"
# An empty file is the result of a crash.
[ ! -s "$module" ] && [ ! -s "$failed" ] || exit 0
mkdir -p "$built"
if PROGRAMS=kbuild MODULES=nfqdns "$lab/guest/build.sh" >"$failed.unfinished" 2>&1; then
	rm "$failed.unfinished"
	exit 0
fi
sync "$failed.unfinished"
mv "$failed.unfinished" "$failed"
