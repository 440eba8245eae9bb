#!/bin/sh
# The test network: one server namespace (DNS and HTTP), one client namespace per lane. No packet leaves the machine.
# Usage: network.sh up LANES    lanes lab-lane0 .. lab-lane(LANES-1); existing lanes are kept
#        network.sh down        removes every namespace and process of the lab
#
#   lab-laneN  10.10.(10+N).89 --veth-- lab-server  10.10.10.53: dnsmasq (A and AAAA of *.lab.test), HTTP on port 80
#                                                   10.10.10.54, .55: the same dnsmasq, more resolvers
set -eu
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
server=10.10.10.53
second=10.10.10.54
third=10.10.10.55
# The three servers, and unused addresses for DNAT rules.
servers=10.10.10.48/28
run=/run/lab
# shellcheck source-path=SCRIPTDIR source=rules.sh
. "$lab/guest/rules.sh"
# shellcheck source-path=SCRIPTDIR source=names.sh
. "$lab/guest/names.sh"

have() { [ -e "/run/netns/$1" ] || [ -e "/var/run/netns/$1" ]; }

# conntrack must be active in every namespace: by a parameter from 5.1 on, by default before.
load_conntrack() {
	modprobe nf_conntrack enable_hooks=1 2>/dev/null || modprobe nf_conntrack
	modprobe nf_conntrack_ipv4 2>/dev/null || true
	modprobe nfnetlink_queue
	# With it the kernel sends each packet's conntrack to the verdict program.
	modprobe nf_conntrack_netlink
}

# Runs a command in a namespace; CentOS 7.0's ip does not support "ip -n".
inside() {
	namespace=$1
	shift
	ip netns exec "$namespace" "$@"
}

server_reads() { inside lab-server "$@" <"$run/server.rules"; }

# Selects the variant for later scenarios and for interactive use.
use_iptables() {
	for name in '' -restore -save; do
		ln -sf "/usr/sbin/$1$name" "/etc/alternatives/iptables$name"
	done
}

start_server() {
	ip netns add lab-server
	inside lab-server ip -batch - <<-EOF
		link set lo up
		addr add $server/32 dev lo
		addr add $second/32 dev lo
		addr add $third/32 dev lo
	EOF
	# No conntrack on the server: two processors that receive packets at once would have the same race here.
	server_rules >"$run/server.rules"
	restore_with "$run/restore.err" server_reads
	[ "$restored_by" = iptables ] || use_iptables "$restored_by"
	# Lookups in the server's namespace use the server itself.
	mkdir -p "$run/www" /etc/netns/lab-server
	echo "nameserver $server" >/etc/netns/lab-server/resolv.conf
	echo "the lab's own page" >"$run/www/index.html"
	serve_names "$server,$second,$third" "$run/dnsmasq.pid"
	serve_pages
}

# With busybox, which daemonizes once it listens; on CentOS 7 with Python, which has to be awaited.
serve_pages() {
	if command -v busybox >/dev/null; then
		inside lab-server busybox httpd -p "$server:80" -h "$run/www"
		return
	fi
	# Redirect all output: SSH waits until the last process has closed it.
	(
		cd "$run/www"
		exec </dev/null >"$run/httpd.log" 2>&1
		inside lab-server setsid python2 "$lab/guest/pages.py" "$server" 80 &
	)
	tries=0
	until inside lab-server curl -s -o /dev/null "http://$server/"; do
		tries=$((tries + 1))
		[ "$tries" -le 100 ] || { tail -n 3 "$run/httpd.log" >&2 && exit 1; }
		sleep 0.1
	done
}

# A process takes about 40 ms under emulation, so there is one per step, not one per lane.
add_lanes() {
	# shellcheck disable=SC2046  # a word each
	mkdir -p $(from_to "$1" "$2" "$run/lab-lane") $(from_to "$1" "$2" /etc/netns/lab-lane)
	from_to "$1" "$2" "netns add lab-lane" | ip -batch -
	lane=$1
	while [ "$lane" -lt "$2" ]; do
		echo "link add server$lane type veth peer name lane netns lab-lane$lane"
		echo "link set server$lane up"
		echo "route add 10.10.$((10 + lane)).89 dev server$lane"
		lane=$((lane + 1))
	done | inside lab-server ip -batch -
	"$lab/build/lanes" up --first "$1" --lanes "$2" "$servers"
}

# The first packets of a kernel make it patch its code (DO_ONCE, include/linux/once.h): now, with one processor. See
# processors.sh.
patch_once() {
	inside lab-lane0 curl -s -o /dev/null --max-time 10 "http://$server/" || true
}

# Prints one line per lane: the given text followed by the lane's number.
from_to() {
	lane=$1
	while [ "$lane" -lt "$2" ]; do
		echo "$3$lane"
		lane=$((lane + 1))
	done
}

down() {
	# End an interrupted scenario first: its state, which is needed to restore settings, is removed below.
	"$lab/guest/scenario.sh" end || echo "network.sh: the current scenario could not be ended" >&2
	"$lab/guest/trace.sh" stop
	"$lab/build/lanes" clear lab-
	for path in /run/netns/lab-*; do
		[ ! -e "$path" ] || echo "netns del ${path##*/}"
	done | ip -batch -
	# Do not delete files of mounted file systems.
	rm -rf --one-file-system "$run"
}

case "${1:-}" in
up)
	wanted=${2:?network.sh up: how many lanes?}
	load_conntrack
	[ -e "$run/lanes" ] || down
	mkdir -p "$run"
	have lab-server || start_server
	there=0
	[ ! -e "$run/lanes" ] || read -r there <"$run/lanes"
	if [ "$there" -lt "$wanted" ]; then
		# The file is written last: an incomplete network is set up again.
		rm -f "$run/lanes"
		add_lanes "$there" "$wanted"
		[ "$there" -gt 0 ] || patch_once
		echo "$wanted" >"$run/lanes"
	fi
	;;
down)
	down
	;;
*)
	echo "usage: network.sh up LANES | down" >&2
	exit 2
	;;
esac
