#!/bin/sh
# Builds the guest's programs from the sources beside this script, and the modules for each given kernel.
# Usage: [PROGRAMS="verdict lanes"] [MODULES="nfqdns ctrewind"] build.sh [KERNEL-RELEASE...]
# By default all programs and both modules, for the running kernel. With MODULES= no module is built, and no kernel
# headers are needed.
# Leaves build/user.out, build/clocks, build/lanes, build/plt32, build/lookup-* (the clients), and
# build/KERNEL-RELEASE/MODULE.ko.
set -eu
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
[ $# -gt 0 ] || set -- "$(uname -r)"

# put DIRECTORY FILE...    copies files atomically: after a crash there are no incomplete files
put() {
	directory=$1
	shift
	mkdir -p "$directory"
	for file in "$@"; do
		cp "$file" "$directory/${file##*/}.unfinished"
		sync "$directory/${file##*/}.unfinished"
		mv "$directory/${file##*/}.unfinished" "$directory/${file##*/}"
	done
}

for programs in ${PROGRAMS-kbuild verdict trace clients lanes}; do
	make -s -C "$lab/$programs"
	case $programs in
	kbuild) put "$lab/build" "$lab/kbuild/plt32" ;;
	verdict) put "$lab/build" "$lab/verdict/user.out" ;;
	trace) put "$lab/build" "$lab/trace/clocks" ;;
	clients) put "$lab/build" "$lab"/clients/lookup-* ;;
	lanes) put "$lab/build" "$lab/lanes/lanes" ;;
	esac
done

# Parameters for trying whether a module loads; ctrewind is only loaded by era.sh, with its era.
try_with() {
	case $1 in
	nfqdns) echo port=0 ;; # no packet has it
	esac
}

for release in "$@"; do
	for module in ${MODULES-nfqdns ctrewind}; do
		# shellcheck disable=SC2046  # a word each
		"$lab/kbuild/module.sh" "$module" "$release" $(try_with "$module")
	done
done
