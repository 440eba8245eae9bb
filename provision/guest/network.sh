#!/bin/sh
# The test network: one server namespace (DNS and HTTP), one client namespace a lane. No packet leaves the machine.
# Usage: network.sh up LANES    lanes lab-lane0 .. lab-lane(LANES-1); does nothing when they are there
#        network.sh down        removes every namespace and process of the lab
#
#   lab-laneN  10.10.(10+N).89 --veth-- lab-server  10.10.10.53: dnsmasq (A and AAAA of *.lab.test), HTTP on port 80
set -eu
server=10.10.10.53
run=/run/lab

have() { [ -e "/run/netns/$1" ] || [ -e "/var/run/netns/$1" ]; }
client() { echo "10.10.$((10 + $1)).89"; }

# conntrack must be at work in every namespace: by parameter where the kernel has it (5.1 on), else it is by default.
load_conntrack() {
	modprobe nf_conntrack enable_hooks=1 2>/dev/null || modprobe nf_conntrack
	modprobe nf_conntrack_ipv4 2>/dev/null || true
	modprobe nfnetlink_queue
}

start_server() {
	ip netns add lab-server
	ip -n lab-server link set lo up
	ip -n lab-server addr add "$server/32" dev lo
	mkdir -p "$run/www"
	echo "the lab's own page" >"$run/www/index.html"
	# Both go to the background by themselves once they listen.
	ip netns exec lab-server dnsmasq --conf-file=/dev/null --user=root --no-resolv --no-hosts --local-ttl=0 \
		--listen-address="$server" --bind-interfaces --pid-file="$run/dnsmasq.pid" \
		--address="/lab.test/$server" --address=/lab.test/fd00::53 \
		--log-queries=extra --log-facility="$run/dnsmasq.log"
	ip netns exec lab-server busybox httpd -p "$server:80" -h "$run/www"
}

# One ip process for the links of all lanes and one for each lane's own side: a process a step is slow under emulation.
add_lanes() {
	lane=0
	while [ "$lane" -lt "$1" ]; do
		if ! have "lab-lane$lane"; then
			ip netns add "lab-lane$lane"
			ip -n lab-server -batch - <<-EOF
				link add server$lane type veth peer name lane netns lab-lane$lane
				link set server$lane up
				route add $(client "$lane") dev server$lane
			EOF
			ip -n "lab-lane$lane" -batch - <<-EOF
				link set lo up
				link set lane up
				addr add $(client "$lane") peer $server dev lane
			EOF
		fi
		lane=$((lane + 1))
	done
}

down() {
	for path in /run/netns/lab-*; do
		[ -e "$path" ] || continue
		name=${path##*/}
		for pid in $(ip netns pids "$name"); do
			kill "$pid" 2>/dev/null || true
		done
		ip netns del "$name"
	done
	rm -rf "$run"
}

case "${1:-}" in
up)
	load_conntrack
	[ -e "$run/lanes" ] || down
	mkdir -p "$run"
	have lab-server || start_server
	add_lanes "${2:?network.sh up: how many lanes?}"
	# Last: a network that was cut off half-way is set up again.
	echo "$2" >"$run/lanes"
	;;
down)
	down
	;;
*)
	echo "usage: network.sh up LANES | down" >&2
	exit 2
	;;
esac
