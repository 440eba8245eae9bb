#!/bin/sh
# The test network: one server namespace (DNS and HTTP), one client namespace a lane. No packet leaves the machine.
# Usage: network.sh up LANES    lanes lab-lane0 .. lab-lane(LANES-1); those that are there already stay
#        network.sh down        removes every namespace and process of the lab
#
#   lab-laneN  10.10.(10+N).89 --veth-- lab-server  10.10.10.53: dnsmasq (A and AAAA of *.lab.test), HTTP on port 80
#                                                   10.10.10.54: the same dnsmasq, a second resolver
set -eu
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
server=10.10.10.53
second=10.10.10.54
# The two servers, and addresses that nobody has, for rules that send them elsewhere.
servers=10.10.10.48/28
run=/run/lab

have() { [ -e "/run/netns/$1" ] || [ -e "/var/run/netns/$1" ]; }

# conntrack must be at work in every namespace: by parameter where the kernel has it (5.1 on), else it is by default.
load_conntrack() {
	modprobe nf_conntrack enable_hooks=1 2>/dev/null || modprobe nf_conntrack
	modprobe nf_conntrack_ipv4 2>/dev/null || true
	modprobe nfnetlink_queue
	# With it the kernel tells the verdict program each packet's conntrack.
	modprobe nf_conntrack_netlink
}

# Debian's iptables speaks to nf_tables, which kernels before 3.13 have not. Its older self does what they know.
choose_iptables() {
	command -v iptables-legacy >/dev/null || return 0
	! iptables -t raw -S >/dev/null 2>&1 || return 0
	iptables-legacy -t raw -S >/dev/null 2>&1 || return 0
	for name in iptables iptables-restore iptables-save; do
		ln -sf "/usr/sbin/$(echo "$name" | sed 's/iptables/iptables-legacy/')" "/etc/alternatives/$name"
	done
}

# A replica boots with one, which is quicker.
wake_processors() {
	for switch in /sys/devices/system/cpu/cpu*/online; do
		[ ! -e "$switch" ] || echo 1 >"$switch"
	done
}

# What runs the arguments after the first in a namespace; CentOS 7.0's ip does not know "ip -n".
inside() {
	namespace=$1
	shift
	ip netns exec "$namespace" "$@"
}

start_server() {
	ip netns add lab-server
	inside lab-server ip -batch - <<-EOF
		link set lo up
		addr add $server/32 dev lo
		addr add $second/32 dev lo
	EOF
	# The packets' race is the client's; two processors receiving them at once would run it here a second time.
	inside lab-server iptables-restore <<-EOF
		*raw
		-A PREROUTING -j CT --notrack
		-A OUTPUT -j CT --notrack
		COMMIT
	EOF
	# Whatever looks a name up there asks the server itself, and is answered at once.
	mkdir -p "$run/www" /etc/netns/lab-server
	echo "nameserver $server" >/etc/netns/lab-server/resolv.conf
	echo "the lab's own page" >"$run/www/index.html"
	# "extra" names the asker in every line; dnsmasq has it since 2.73, CentOS 7.0 has 2.66.
	log_queries=--log-queries=extra
	dnsmasq --test --conf-file=/dev/null "$log_queries" 2>/dev/null || log_queries=--log-queries
	# It goes to the background by itself once it listens.
	inside lab-server dnsmasq --conf-file=/dev/null --user=root --no-resolv --no-hosts --local-ttl=0 \
		--listen-address="$server,$second" --bind-interfaces --pid-file="$run/dnsmasq.pid" \
		--address="/lab.test/$server" --address=/lab.test/fd00::53 \
		"$log_queries" --log-facility="$run/dnsmasq.log"
	serve_pages
}

# By busybox, which goes to the background once it listens; or by what CentOS 7 has instead, which has to be waited for.
serve_pages() {
	if command -v busybox >/dev/null; then
		inside lab-server busybox httpd -p "$server:80" -h "$run/www"
		return
	fi
	(cd "$run/www" && inside lab-server setsid python2 -m SimpleHTTPServer 80 </dev/null >"$run/httpd.log" 2>&1 &)
	tries=0
	until inside lab-server curl -s -o /dev/null "http://$server/"; do
		tries=$((tries + 1))
		[ "$tries" -le 100 ] || { tail -n 3 "$run/httpd.log" >&2 && exit 1; }
		sleep 0.1
	done
}

# A process takes some 40 ms under emulation, so there is one for each step, not one for each lane.
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

# Prints a line for each lane: the text given, with the lane's number behind it.
from_to() {
	lane=$1
	while [ "$lane" -lt "$2" ]; do
		echo "$3$lane"
		lane=$((lane + 1))
	done
}

down() {
	"$lab/guest/trace.sh" stop
	"$lab/build/lanes" clear lab-
	for path in /run/netns/lab-*; do
		[ ! -e "$path" ] || echo "netns del ${path##*/}"
	done | ip -batch -
	# Whatever may be mounted below is not ours to empty.
	rm -rf --one-file-system "$run"
}

case "${1:-}" in
up)
	wanted=${2:?network.sh up: how many lanes?}
	wake_processors
	load_conntrack
	choose_iptables
	[ -e "$run/lanes" ] || down
	mkdir -p "$run"
	have lab-server || start_server
	there=0
	[ ! -e "$run/lanes" ] || read -r there <"$run/lanes"
	if [ "$there" -lt "$wanted" ]; then
		# Last comes what says that they are there: a network that was cut off half-way is set up again.
		rm -f "$run/lanes"
		add_lanes "$there" "$wanted"
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
