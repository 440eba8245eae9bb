#!/bin/sh
# Gathers evidence of a lane's trials: packets on the wire, conntrack's events, the kernel's trace. One lane only: the
# kernel's trace and the server's log are machine-wide, and trials of two lanes could not be distinguished there.
# Usage: gather.sh start LANE INTERFACE [only-trace]    starts all tracers, or only the kernel's trace, and waits until
#                                   they are ready; failures are reported on stderr. INTERFACE is the lane's outgoing
#                                   interface: lane, or out
#        gather.sh begin LANE              a trial begins; run in the lane, in the directory of its raw files
#        gather.sh end LANE                the trial has ended: copies the gathered files there
#        gather.sh stop LANE
# Gathered files are in /run/lab/LANE/gathered/; each trial empties them at its begin and copies them at its end:
#   client.pcap server.pcap    DNS packets on either end of the lane, without the file header, which is in pcap.header
#   inside.pcap                ... between the lane and a client behind it
#   events                     conntrack's events
#   trace                      a link to the kernel's trace; trace_clock and trace_marker beside it
#   missing                    evidence that is not gathered, one line each with the reason
#   tracer                     the command that traces a client's calls
#   late                       exists if packets may be written up to a second late
set -eu
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
action=${1:-}
lane=${2:-}
interface=${3:-lane}
extent=${4:-all}
case "$action:$lane" in
start:lab-lane* | begin:lab-lane* | end:lab-lane* | stop:lab-lane*) ;;
*)
	echo "usage: gather.sh start LANE INTERFACE [only-trace] | begin LANE | end LANE | stop LANE" >&2
	exit 2
	;;
esac
gathered=/run/lab/$lane/gathered
stap=/run/lab/scenario/stap
pids=/run/lab/$lane/gather.pids
# shellcheck source-path=SCRIPTDIR source=agent.sh
. "$lab/guest/agent.sh"

missing() { echo "$1" | tee -a "$gathered/missing" >&2; }

# All writers append, so that a trial can truncate the files.
start_capture() {
	name=$1 namespace=$2 device=$3
	: >"$gathered/$name.pcap"
	# -U: write each packet at once. Immediate mode: the kernel delivers each packet at once.
	# shellcheck disable=SC2086  # zero or one word
	setsid ip netns exec "$namespace" tcpdump -i "$device" -n -s 2000 -B 1024 -U $immediate -Z root -w - \
		port 53 </dev/null >>"$gathered/$name.pcap" 2>"$gathered/$name.err" &
	echo $! >"$gathered/$name.pid"
	echo $! >>"$pids"
}

# Waits until tcpdump listens and has written the file header, at most ten seconds.
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

# Whether a process in the lane listens to netfilter events: protocol 12 (NETLINK_NETFILTER), any group.
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
		ln -s "$instance/trace_clock" "$gathered/trace_clock"
	fi
	while read -r line; do
		missing "trace: $line"
	done <"$gathered/trace.err"
}

# strace without a filter stops the client at every call, also at those that it does not print. It prints a warning if
# the kernel has no filters, and does not know the option before 5.3.
choose_tracer() {
	calls=trace=network,poll,ppoll,read,readv,write,writev,close,dup,dup2,dup3
	filter=--seccomp-bpf
	[ -z "$(strace -f $filter -o /dev/null -e "$calls" true 2>&1)" ] || filter=''
	echo "strace -f $filter -ttt -s 600 -o client.strace -e $calls" >"$gathered/tracer"
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
	if [ "$extent" = only-trace ]; then
		start_trace
		return
	fi
	choose_tracer
	# tcpdump of CentOS 7.0 does not support it: a trial then waits for the buffer's timeout of one second.
	immediate=--immediate-mode
	if ! tcpdump --help 2>&1 | grep -q -e "$immediate"; then
		immediate=''
		: >"$gathered/late"
	fi
	start_capture client "$lane" "$interface"
	if [ "$interface" = lane ]; then
		start_capture server lab-server "server${lane#lab-lane}"
	else
		missing "server.pcap: the server is external"
	fi
	[ ! -e /run/lab/scenario/shape ] || start_capture inside "$lane" inside
	start_events
	start_trace
	[ ! -e "$gathered/events.pid" ] || await_events
	await_capture client
	for side in server inside; do
		[ ! -e "$gathered/$side.pcap" ] || await_capture "$side"
	done
}

clocks() {
	marker=$gathered/trace_marker
	[ -e "$marker" ] || marker=''
	"$lab/build/clocks" ${marker:+"$marker"} >"clocks.$1"
}

# The writers of these files append, so truncating is safe.
begin() {
	rm -f ./*
	[ ! -e /run/lab/scenario/revives ] || "$lab/guest/listener.sh" again "$lane"
	[ ! -e "$stap.pid" ] || : >"$stap.out"
	look_at_agent before
	[ -e "$gathered" ] || return 0
	conntrack -S >conntrack-S.before 2>/dev/null || rm -f conntrack-S.before
	for file in client.pcap server.pcap inside.pcap events trace; do
		[ ! -e "$gathered/$file" ] || : >"$gathered/$file"
	done
	: >/run/lab/dnsmasq.log
	clocks before
}

end() {
	if [ -e "$stap.pid" ]; then
		sleep 0.5 # systemtap flushes its output five times a second
		cat "$stap.out" >stap.out
	fi
	look_at_agent after
	[ -e "$gathered" ] || return 0
	clocks after
	[ ! -e "$gathered/late" ] || sleep 1.2
	conntrack -S >conntrack-S.after 2>/dev/null || rm -f conntrack-S.after
	for side in client server inside; do
		[ ! -e "$gathered/$side.pcap" ] || cat "$gathered/pcap.header" "$gathered/$side.pcap" >"$side.pcap"
	done
	for file in events trace trace_clock missing; do
		[ ! -e "$gathered/$file" ] || cat "$gathered/$file" >"$file"
	done
	cat /run/lab/dnsmasq.log >dnsmasq.log
}

"$action"
