#!/bin/sh
# Starts the verdict programs of a scenario's lanes, which wait for it in scenario/listener: a line "LISTENERS" and a line
# of user.out's options.
# Usage: listener.sh start LANES    in lanes lab-lane0 .. lab-lane(LANES-1); waits until each program listens
#        listener.sh again LANE     in one lane, whose program is ended first if it lives
set -eu
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
listener=/run/lab/scenario/listener

# Usage: serve FIRST LANES
serve() {
	{ read -r listeners && read -r options; } <"$listener"
	queue=0
	while [ "$queue" -lt "$listeners" ]; do
		# shellcheck disable=SC2086  # words of a command
		"$lab/build/lanes" serve --first "$1" --lanes "$2" --queue "$queue" \
			"$lab/build/user.out" --lanes "$1-$(($2 - 1))" --queue "$queue" $options --log "/run/lab/{lane}/verdict.jsonl"
		queue=$((queue + 1))
	done
}

# The programs of this namespace: the row's second column of a queue is its program's pid.
end_own() {
	while read -r _ pid _; do
		kill -9 "$pid" 2>/dev/null || true
	done </proc/net/netfilter/nfnetlink_queue
	tries=0
	while [ -n "$(cat /proc/net/netfilter/nfnetlink_queue)" ]; do
		tries=$((tries + 1))
		[ "$tries" -le 100 ] || { echo "listener.sh: a verdict program cannot be ended" >&2 && exit 1; }
		sleep 0.02
	done
}

case "${1:-}:${2:-}" in
start:[1-9]*) serve 0 "$2" ;;
again:lab-lane[0-9]*)
	end_own
	serve "${2#lab-lane}" $((${2#lab-lane} + 1))
	;;
*)
	echo "usage: listener.sh start LANES | again LANE" >&2
	exit 2
	;;
esac
