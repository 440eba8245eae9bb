#!/bin/sh
# Builds what the guest needs from the sources beside this script: user.out, and the modules for each kernel named.
# Usage: [MODULES="nfqdns ctrewind"] build.sh [KERNEL-RELEASE...]    (default: both modules, the running kernel)
# With MODULES= nothing is built for a kernel, and its headers need not be there.
# Leaves build/user.out, build/clocks, build/lanes, build/lookup-* (the clients), and build/KERNEL-RELEASE/MODULE.ko.
set -eu
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
[ $# -gt 0 ] || set -- "$(uname -r)"

for programs in verdict trace clients lanes; do
	make -s -C "$lab/$programs"
done
mkdir -p "$lab/build"
cp "$lab/verdict/user.out" "$lab/trace/clocks" "$lab/lanes/lanes" "$lab"/clients/lookup-* "$lab/build/"

modules=${MODULES-nfqdns ctrewind}
[ -n "$modules" ] || exit 0

for release in "$@"; do
	headers=/lib/modules/$release/build
	if [ ! -d "$headers" ]; then
		echo "build.sh: no kernel headers in $headers: install the headers of kernel $release" >&2
		exit 1
	fi
	mkdir -p "$lab/build/$release"
	for module in $modules; do
		make -s -C "$lab/$module" KDIR="$headers" clean
		make -s -C "$lab/$module" KDIR="$headers"
		cp "$lab/$module/$module.ko" "$lab/build/$release/"
	done
done
