#!/bin/sh
# Prepares a lane for the trials of one scenario, and puts it back.
# Usage: scenario.sh begin LANE [SETTING=VALUE...]
#        scenario.sh end LANE
# Settings:
#   resolver="OPTIONS"     the "options" of resolv.conf(5); none by default
#   queue=none|nfqdns      who sends the lane's DNS packets to NFQUEUE
#   hold_packets=N hold_ms=T    when the verdict program lets them go (see user.out --help)
#   trace=none|stap        what traces the confirm of each DNS packet
set -eu
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
action=${1:-}
lane=${2:-}
case "$action:$lane" in
begin:lab-lane* | end:lab-lane*) shift 2 ;;
*)
	echo "usage: scenario.sh begin|end LANE [SETTING=VALUE...]" >&2
	exit 2
	;;
esac
state=/run/lab/$lane
pidfile=$state/verdict.pid
log=$state/verdict.jsonl
tracer=$state/stap
queue_number=0

# Waits until the command given succeeds, ten seconds at most.
await() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ "$tries" -le 500 ] || return 1
		sleep 0.02
	done
}

# The kernel lists a queue that a program listens to; copy mode 2 says that it also asked for the packets.
# shellcheck disable=SC2016  # awk's own variables
queue_is_ready() {
	ip netns exec "$lane" awk -v queue="$queue_number" \
		'$1 == queue && $4 == 2 { found = 1 } END { exit !found }' /proc/net/netfilter/nfnetlink_queue
}

is_gone() { ! kill -0 "$1" 2>/dev/null; }

start_verdict_program() {
	ip netns exec "$lane" setsid "$lab/build/user.out" --queue "$queue_number" --hold-packets "$1" --hold-ms "$2" \
		--log "$log" </dev/null >/dev/null 2>"$state/verdict.err" &
	echo $! >"$pidfile"
	if ! await queue_is_ready; then
		echo "the verdict program does not listen to queue $queue_number of $lane: $(cat "$state/verdict.err")" >&2
		exit 1
	fi
	cp "$log" "$state/verdict.start"
}

start_tracer() {
	if ! command -v stap >/dev/null; then
		echo "there is no systemtap in this machine; on CentOS, 'lab up' with '--trace stap' installs it" >&2
		exit 1
	fi
	: >"$tracer.out"
	# The trial empties the file, so it is appended to.
	setsid stap -g "$lab/stap/confirm.stp" </dev/null >>"$tracer.out" 2>"$tracer.err" &
	echo $! >"$tracer.pid"
	# It compiles a kernel module first: half a minute, later on a second.
	for _ in $(seq 20); do
		! await grep -q '^ready' "$tracer.out" || return 0
		kill -0 "$(cat "$tracer.pid")" 2>/dev/null || break
	done
	echo "systemtap does not trace: $(tail -n 5 "$tracer.err")" >&2
	exit 1
}

end() {
	if [ -e "$tracer.pid" ]; then
		pid=$(cat "$tracer.pid")
		kill -INT "$pid" 2>/dev/null || true
		await is_gone "$pid" || kill -9 "$pid"
		rm -f "$tracer.pid"
	fi
	if [ -e "$pidfile" ]; then
		pid=$(cat "$pidfile")
		kill "$pid" 2>/dev/null || true
		await is_gone "$pid" || kill -9 "$pid"
		rm -f "$pidfile"
	fi
	# A trial that nobody waits for any more.
	for pid in $(ip netns pids "$lane"); do
		kill "$pid" 2>/dev/null || true
	done
	# Last, so that no packet is ever sent to a queue without a listener while a trial runs.
	[ ! -e /sys/module/nfqdns ] || rmmod nfqdns
}

begin() {
	resolver='' queue=none hold_packets=1 hold_ms=0 trace=none
	for setting in "$@"; do
		value=${setting#*=}
		case $setting in
		resolver=*) resolver=$value ;;
		queue=none | queue=nfqdns) queue=$value ;;
		hold_packets=*) hold_packets=$value ;;
		hold_ms=*) hold_ms=$value ;;
		trace=none | trace=stap) trace=$value ;;
		*)
			echo "scenario.sh: unknown setting '$setting'" >&2
			exit 2
			;;
		esac
	done
	end
	mkdir -p "$state/raw" "/etc/netns/$lane"
	: >"$log"
	: >"$state/verdict.start"
	echo "nameserver 10.10.10.53" >"/etc/netns/$lane/resolv.conf"
	[ -z "$resolver" ] || echo "options $resolver" >>"/etc/netns/$lane/resolv.conf"
	[ "$trace" = none ] || start_tracer
	if [ "$queue" = nfqdns ]; then
		start_verdict_program "$hold_packets" "$hold_ms"
		insmod "$lab/build/$(uname -r)/nfqdns.ko" queue="$queue_number"
	fi
}

"$action" "$@"
