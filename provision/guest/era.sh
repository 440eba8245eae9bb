#!/bin/sh
# Makes this kernel behave as one era does, by ctrewind; idempotent.
# Usage: era.sh drop|resolve    rewinds the running kernel's conntrack
#        era.sh untouched       unloads ctrewind
set -eu
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
parameter=/sys/module/ctrewind/parameters/era
module=$lab/build/$(uname -r)/ctrewind.ko

case "${1:-}" in
untouched)
	[ ! -e "$parameter" ] || rmmod ctrewind
	;;
drop | resolve)
	if [ -e "$parameter" ]; then
		[ "$(cat "$parameter")" = "$1" ] || echo "$1" >"$parameter"
	elif ! insmod "$module" era="$1"; then
		# insmod only says "Invalid parameters" or the like: the module's own sentence is in the kernel log.
		dmesg | grep '\[ctrewind\]' | tail -n 3 >&2
		exit 1
	fi
	;;
*)
	echo "usage: era.sh drop|resolve|untouched" >&2
	exit 2
	;;
esac
