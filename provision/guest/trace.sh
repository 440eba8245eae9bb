#!/bin/sh
# Traces outgoing packets in the kernel, with kprobe events of tracefs, which 3.10 to 6.12 have.
# Usage: trace.sh start    prints the directory of the trace ("trace", "trace_clock", "trace_marker"), or an error
#        trace.sh stop
# Events:
#   queued      a packet is about to be handed to user space
#   reinject    ... is reinjected with a verdict
#   confirming  __nf_conntrack_confirm is entered
#   confirm     ... and returns: 0 is NF_DROP, 1 NF_ACCEPT (linux/netfilter.h)
#   clash       nf_ct_resolve_clash returns, with the same values
#   xmit        a packet leaves through a lane's interface, whose address is "dev"
# All but the returns have the packet's address ("skb"), that of its conntrack ("ct", with ctinfo in its lowest bits),
# and from its headers "saddr", "proto", "sport", "dport" and "dns" (the DNS id), bytes in network order. Which of them
# apply is shown by the first byte, "version": those with a 6 are read where IPv6 has them, "saddr6" in two halves.
set -eu
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
run=/run/lab

# Mounted at the lab's own path: "ip netns exec", in which trials run, mounts a /sys without it.
# tracefs is a separate file system since 4.1; before, it is a directory of debugfs.
tracefs() {
	mkdir -p "$run/tracing"
	mountpoint -q "$run/tracing" ||
		mount -t tracefs nodev "$run/tracing" 2>/dev/null || mount -t debugfs nodev "$run/tracing"
	directory=$run/tracing
	[ ! -e "$directory/tracing" ] || directory=$directory/tracing
	if [ ! -e "$directory/kprobe_events" ]; then
		echo "this kernel has no kprobe events" >&2
		return 1
	fi
	echo "$directory"
}

# The offsets of fields in a packet's structure are parameters of the hook module, which was built from this kernel's
# headers. Without it the file "offsets" in its directory was made from the kernel's BTF: the offsets of ct, data and
# entry in one line, or "none".
offset_of() { cat "/sys/module/nfqdns/parameters/$1_offset"; }

offsets() {
	built=$lab/build/$(uname -r)
	if [ ! -s "$built/nfqdns.ko" ]; then
		entry=''
		[ ! -s "$built/offsets" ] || read -r ct data entry <"$built/offsets"
		[ -z "$entry" ] || return 0
		echo "the offsets of a packet's fields are unknown: there is neither the hook module nor BTF" >&2
		return 1
	fi
	loaded=''
	if [ ! -e /sys/module/nfqdns ]; then
		insmod "$built/nfqdns.ko" port=0
		loaded=yes
	fi
	ct=$(offset_of ct) data=$(offset_of data) entry=$(offset_of entry)
	[ -z "$loaded" ] || rmmod nfqdns
}

# Prints the fields to trace of a packet whose structure is at $1 and whose IP header (without options) is $2 bytes into
# its data.
fields() {
	ip="+$data($1)"
	echo "skb=$1:u64 ct=+$ct($1):u64 proto=+$(($2 + 9))($ip):u8 saddr=+$(($2 + 12))($ip):u32" \
		"sport=+$(($2 + 20))($ip):u16 dport=+$(($2 + 22))($ip):u16 dns=+$(($2 + 28))($ip):u16" \
		"version=+$2($ip):u8 proto6=+$(($2 + 6))($ip):u8 saddr6=+$(($2 + 8))($ip):u64" \
		"low6=+$(($2 + 16))($ip):u64 sport6=+$(($2 + 40))($ip):u16 dport6=+$(($2 + 42))($ip):u16" \
		"dns6=+$(($2 + 48))($ip):u16"
}

# Defines an event on the first of the given functions that this kernel has; if it has none, the event is left out.
event() {
	kind=$1 name=$2 arguments=$3
	shift 3
	for function in "$@"; do
		! echo "$kind:lab/$name $function $arguments" >>"$kprobe_events" || return 0
	done 2>/dev/null
	echo "this kernel has no $function to trace as '$name'" >&2
}

# "mono" is CLOCK_MONOTONIC, since 3.17. Older clocks are aligned by marks: "global", shared by all processors, and
# "local", one per processor.
choose_clock() {
	read -r clocks <"$1"
	for clock in mono global; do
		case " $clocks " in
		*" $clock "* | *" [$clock] "*)
			echo "$clock" >"$1"
			return
			;;
		esac
	done
}

start() {
	directory=$(tracefs)
	kprobe_events=$directory/kprobe_events
	if [ "$(uname -m)" != x86_64 ]; then
		echo "kernel traces are supported on x86_64 only: the calling convention differs" >&2
		return 1
	fi
	offsets
	# struct nf_queue_entry (net/netfilter/nf_queue.h) has a pointer to the packet.
	event p queued "$(fields "+$entry(%di)" 0)" nfqnl_enqueue_packet
	event p reinject "$(fields "+$entry(%di)" 0) verdict=%si:u32" nf_reinject nfqnl_reinject
	event p confirming "$(fields %di 0)" __nf_conntrack_confirm
	event r confirm "ret=\$retval:u32" __nf_conntrack_confirm
	event r clash "ret=\$retval:u32" nf_ct_resolve_clash
	# Here the data begins with the Ethernet header.
	event p xmit "$(fields %di 14) dev=%si:u64" veth_xmit
	instance=$directory/instances/lab
	mkdir "$instance"
	choose_clock "$instance/trace_clock"
	echo 1 >"$instance/events/lab/enable"
	echo "$instance"
}

stop() {
	[ -e "$run" ] || return 0
	directory=$(tracefs 2>/dev/null) || return 0
	if [ -e "$directory/instances/lab" ]; then
		echo 0 >"$directory/instances/lab/events/enable"
		rmdir "$directory/instances/lab"
	fi
	for name in queued reinject confirming confirm clash xmit; do
		[ ! -e "$directory/events/lab/$name" ] || echo "-:lab/$name" >>"$directory/kprobe_events"
	done
	umount "$run/tracing"
}

case "${1:-}" in
start)
	stop
	mkdir -p "$run"
	start
	;;
stop) stop ;;
*)
	echo "usage: trace.sh start|stop" >&2
	exit 2
	;;
esac
