#!/bin/sh
# Gathers evidence beside the trials of a lane: packets on the wire, conntrack's events, the kernel's own trace. One lane
# only: the kernel's trace and the server's log are the machine's, and two lanes' trials could not be told apart there.
# Usage: gather.sh start LANE INTERFACE    every gatherer is at work when this returns; one that cannot be is said on
#                                          stderr. INTERFACE is that of the lane which queries leave by: lane, or out
#        gather.sh begin LANE              a trial begins; run in the lane, in the directory of its raw files
#        gather.sh end LANE                it has ended: what was gathered is put there
#        gather.sh stop LANE
# What is gathered lies in /run/lab/LANE/gathered/; each trial empties the files and takes what has come in since:
#   client.pcap server.pcap    DNS packets on either end of the lane, without the file header, which is in pcap.header
#   events                     conntrack's events
#   trace                      a link to the kernel's trace, and trace_marker beside it
#   missing                    what is not gathered here, a line each with the reason
#   late                       is there when packets reach these files up to a second late
set -eu
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
action=${1:-}
lane=${2:-}
interface=${3:-lane}
case "$action:$lane" in
start:lab-lane* | begin:lab-lane* | end:lab-lane* | stop:lab-lane*) ;;
*)
	echo "usage: gather.sh start LANE INTERFACE | begin LANE | end LANE | stop LANE" >&2
	exit 2
	;;
esac
gathered=/run/lab/$lane/gathered
stap=/run/lab/scenario/stap
pids=/run/lab/$lane/gather.pids

missing() { echo "$1" | tee -a "$gathered/missing" >&2; }

# Everything is appended, so that a trial may empty the files.
start_capture() {
	name=$1 namespace=$2 device=$3
	: >"$gathered/$name.pcap"
	# -U: each packet is written as it comes. Immediate mode: it comes at once, not when a buffer is full.
	# shellcheck disable=SC2086  # no word, or one
	setsid ip netns exec "$namespace" tcpdump -i "$device" -n -s 2000 -B 1024 -U $immediate -Z root -w - \
		port 53 </dev/null >>"$gathered/$name.pcap" 2>"$gathered/$name.err" &
	echo $! >"$gathered/$name.pid"
	echo $! >>"$pids"
}

# Waits until tcpdump listens and has written the file header, ten seconds at most.
await_capture() {
	tries=0
	until grep -q "listening on" "$gathered/$1.err" && [ -s "$gathered/$1.pcap" ]; do
		tries=$((tries + 1))
		if [ "$tries" -gt 100 ] || ! kill -0 "$(cat "$gathered/$1.pid")" 2>/dev/null; then
			missing "$1.pcap: tcpdump: $(tail -n 1 "$gathered/$1.err")"
			rm -f "$gathered/$1.pcap"
			return
		fi
		sleep 0.05
	done
	head -c 24 "$gathered/$1.pcap" >"$gathered/pcap.header"
}

start_events() {
	: >"$gathered/events"
	if ! command -v conntrack >/dev/null; then
		missing "events: there is no conntrack in this machine"
		return
	fi
	setsid ip netns exec "$lane" conntrack -E -o timestamp,id </dev/null >>"$gathered/events" 2>"$gathered/events.err" &
	echo $! >"$gathered/events.pid"
	echo $! >>"$pids"
}

# Whether somebody in the lane listens to events of netfilter: protocol 12 (NETLINK_NETFILTER), to some group.
is_listened_to() {
	ip netns exec "$lane" cat /proc/net/netlink | while read -r _ protocol _ groups _; do
		[ "$protocol" != 12 ] || [ "$groups" = 00000000 ] || echo yes
	done | grep -q yes
}

await_events() {
	tries=0
	until is_listened_to; do
		tries=$((tries + 1))
		if [ "$tries" -gt 100 ] || ! kill -0 "$(cat "$gathered/events.pid")" 2>/dev/null; then
			missing "events: conntrack: $(tail -n 1 "$gathered/events.err")"
			rm -f "$gathered/events"
			return
		fi
		sleep 0.05
	done
}

start_trace() {
	if instance=$("$lab/guest/trace.sh" start 2>"$gathered/trace.err"); then
		ln -s "$instance/trace" "$gathered/trace"
		ln -s "$instance/trace_marker" "$gathered/trace_marker"
	fi
	while read -r line; do
		missing "trace: $line"
	done <"$gathered/trace.err"
}

stop() {
	"$lab/guest/trace.sh" stop
	[ -e "$pids" ] || return 0
	while read -r pid; do
		kill "$pid" 2>/dev/null || true
	done <"$pids"
	rm -f "$pids"
}

start() {
	stop
	rm -rf "$gathered"
	mkdir -p "$gathered"
	: >"$gathered/missing"
	# tcpdump of CentOS 7.0 does not know it: a trial then waits for the buffer's own time, which is a second.
	immediate=--immediate-mode
	if ! tcpdump --help 2>&1 | grep -q -e "$immediate"; then
		immediate=''
		: >"$gathered/late"
	fi
	start_capture client "$lane" "$interface"
	if [ "$interface" = lane ]; then
		start_capture server lab-server "server${lane#lab-lane}"
	else
		missing "server.pcap: the server is elsewhere"
	fi
	start_events
	start_trace
	[ ! -e "$gathered/events.pid" ] || await_events
	await_capture client
	[ ! -e "$gathered/server.pcap" ] || await_capture server
}

clocks() {
	marker=$gathered/trace_marker
	[ -e "$marker" ] || marker=''
	"$lab/build/clocks" ${marker:+"$marker"} >"clocks.$1"
}

# Whoever writes these files appends, so they may be emptied meanwhile.
begin() {
	rm -f ./*
	[ ! -e "$stap.pid" ] || : >"$stap.out"
	[ -e "$gathered" ] || return 0
	conntrack -S >conntrack-S.before 2>/dev/null || rm -f conntrack-S.before
	for file in client.pcap server.pcap events trace; do
		[ ! -e "$gathered/$file" ] || : >"$gathered/$file"
	done
	: >/run/lab/dnsmasq.log
	clocks before
}

end() {
	if [ -e "$stap.pid" ]; then
		sleep 0.5 # systemtap hands over what it has five times a second
		cat "$stap.out" >stap.out
	fi
	[ -e "$gathered" ] || return 0
	clocks after
	[ ! -e "$gathered/late" ] || sleep 1.2
	conntrack -S >conntrack-S.after 2>/dev/null || rm -f conntrack-S.after
	for side in client server; do
		[ ! -e "$gathered/$side.pcap" ] || cat "$gathered/pcap.header" "$gathered/$side.pcap" >"$side.pcap"
	done
	for file in events trace missing; do
		[ ! -e "$gathered/$file" ] || cat "$gathered/$file" >"$file"
	done
	cat /run/lab/dnsmasq.log >dnsmasq.log
}

"$action"
