#!/bin/sh
# Traces what the kernel does with packets on their way out, by kprobe events of tracefs: 3.10 has them as 6.12 has.
# Usage: trace.sh start    prints the directory of the trace (its "trace" and "trace_marker"), or says why there is none
#        trace.sh stop
# Events:
#   queued      a packet is about to be handed to user space
#   reinject    ... came back with a verdict
#   confirming  __nf_conntrack_confirm is entered
#   confirm     ... and returns: 0 is NF_DROP, 1 NF_ACCEPT (linux/netfilter.h)
#   clash       nf_ct_resolve_clash returns, likewise
#   xmit        a packet leaves through a lane's interface
# All but the returns have the packet's address ("skb"), that of its conntrack ("ct", with ctinfo in its lowest bits), and
# from its headers "proto", "sport", "dport" and "dns" (the DNS id), bytes in network order.
set -eu
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
run=/run/lab

# At a place of the lab's own: "ip netns exec", in which trials run, puts a /sys without it over the machine's.
# tracefs is of its own since 4.1; before, it is a directory of debugfs.
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

# Where in a packet's structure what lies: the hook module was built from this kernel's headers, and knows.
offset_of() { cat "/sys/module/nfqdns/parameters/$1_offset"; }

offsets() {
	loaded=''
	if [ ! -e /sys/module/nfqdns ]; then
		insmod "$lab/build/$(uname -r)/nfqdns.ko" port=0
		loaded=yes
	fi
	ct=$(offset_of ct) data=$(offset_of data) entry=$(offset_of entry)
	[ -z "$loaded" ] || rmmod nfqdns
}

# What is read of a packet whose structure is at $1 and whose IP header (without options) begins $2 bytes into its data.
fields() {
	ip="+$data($1)"
	echo "skb=$1:u64 ct=+$ct($1):u64 proto=+$(($2 + 9))($ip):u8 sport=+$(($2 + 20))($ip):u16" \
		"dport=+$(($2 + 22))($ip):u16 dns=+$(($2 + 28))($ip):u16"
}

# The first of the functions given that this kernel has gets the event; for none the event is left out.
event() {
	kind=$1 name=$2 arguments=$3
	shift 3
	for function in "$@"; do
		! echo "$kind:lab/$name $function $arguments" >>"$kprobe_events" || return 0
	done 2>/dev/null
	echo "not traced: $name" >&2
}

start() {
	directory=$(tracefs)
	kprobe_events=$directory/kprobe_events
	if [ "$(uname -m)" != x86_64 ]; then
		echo "kernel traces are known for x86_64 only: where a function's arguments are differs" >&2
		return 1
	fi
	offsets
	# struct nf_queue_entry (net/netfilter/nf_queue.h) has the packet, behind a list's links.
	event p queued "$(fields "+$entry(%di)" 0)" nfqnl_enqueue_packet
	event p reinject "$(fields "+$entry(%di)" 0) verdict=%si:u32" nf_reinject nfqnl_reinject
	event p confirming "$(fields %di 0)" __nf_conntrack_confirm
	event r confirm "ret=\$retval:u32" __nf_conntrack_confirm
	event r clash "ret=\$retval:u32" nf_ct_resolve_clash
	# Here the data begin with the Ethernet header.
	event p xmit "$(fields %di 14)" veth_xmit
	instance=$directory/instances/lab
	mkdir "$instance"
	# "mono" is CLOCK_MONOTONIC, since 3.17; what there was before is put right by marks.
	echo mono >"$instance/trace_clock" 2>/dev/null || true
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
