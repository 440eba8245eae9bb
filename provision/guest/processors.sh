#!/bin/sh
# Brings a guest's processors online, or keeps only the first.
# Usage: processors.sh all|one
#
# A guest of the lab's own image boots with one (maxcpus=1) and needs others only for many trials at once, or for two
# threads that send at the same time. Else one is better: two emulated machines share two processors of the host, and
# QEMU before 8.1 translates code while another processor writes it ("accel/tcg: Always lock pages before translation").
# Where the kernel patches itself, as for a trace event or a packet socket with time stamps, a guest with two may hang.
set -eu

switch() {
	for path in /sys/devices/system/cpu/cpu[1-9]*/online; do
		# A kernel may refuse.
		[ ! -e "$path" ] || echo "$1" 2>/dev/null >"$path" || true
	done
}

case "${1:-}" in
all) switch 1 ;;
one)
	# A machine that booted with all of them keeps them.
	read -r arguments </proc/cmdline
	case " $arguments " in
	*' maxcpus=1 '*) switch 0 ;;
	esac
	;;
*)
	echo "usage: processors.sh all|one" >&2
	exit 2
	;;
esac
