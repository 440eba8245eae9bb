#!/bin/sh
# Rewinds this kernel to an era with ctrewind, and checks its behaviour; idempotent.
# Usage: era.sh drop|resolve    rewinds the running kernel's conntrack
#        era.sh untouched       unloads ctrewind
set -eu
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
parameter=/sys/module/ctrewind/parameters/era
module=$lab/build/$(uname -r)/ctrewind.ko

# Outcome of two clashing packets on real kernels: era drop from 3.10.0-123, era resolve from 3.10.0-1127.
expected_of() {
	case $1-$2 in
	drop-*) echo "left=1 insert_failed=1 drop=0" ;;
	resolve-plain) echo "left=2 insert_failed=1 drop=0" ;;
	resolve-dnat) echo "left=1 insert_failed=1 drop=1" ;;
	esac
}

load() {
	insmod "$module" era="$1" && return
	# insmod prints only "Invalid parameters" or the like: the module's message is in the kernel log.
	dmesg | grep '\[ctrewind\]' | tail -n 3 >&2
	exit 1
}

# A loaded module may still not work on this kernel.
check() {
	for clash in plain dnat; do
		outcome=$("$lab/guest/clash.sh" $clash) || outcome="unknown: no clash could be made"
		expected=$(expected_of "$1" $clash)
		[ "$outcome" != "$expected" ] || continue
		rmmod ctrewind
		echo "ctrewind does not make kernel $(uname -r) behave as era $1: of two clashing packets ($clash)" \
			"it should be $expected, and is $outcome; it was unloaded again" >&2
		exit 1
	done
}

case "${1:-}" in
untouched)
	[ ! -e "$parameter" ] || rmmod ctrewind
	;;
drop | resolve)
	now=''
	[ ! -e "$parameter" ] || now=$(cat "$parameter")
	[ "$now" != "$1" ] || exit 0
	if [ -n "$now" ]; then echo "$1" >"$parameter"; else load "$1"; fi
	check "$1"
	;;
*)
	echo "usage: era.sh drop|resolve|untouched" >&2
	exit 2
	;;
esac
