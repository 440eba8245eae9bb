# shellcheck shell=sh
# The network of a scenario whose client is behind the lane. Sourced by scenario.sh; uses its functions and variables.
#
#   forwarded:  lab-laneN-inside 10.10.(10+N).90 --lane~~inside-- lab-laneN 10.10.(10+N).89 --lane~~serverN-- lab-server
#   bridged:    the same, but "inside" and "lane" are ports of a bridge in the lane, whose packets netfilter sees
# shellcheck disable=SC2154  # variables of scenario.sh

# Suffix of the namespaces of the clients.
behind=-inside

# The client has two addresses, as two clients behind one gateway have.
first_client=90 second_client=91

# The two servers' IPv6 addresses, and their network.
servers6=fd00:10:10:10::/64
all_servers6='fd00:10:10:10::53 fd00:10:10:10::54'

# Runs a command in the namespace of lane $1, or with a suffix in the one behind it.
within() {
	namespace=/run/netns/lab-lane$1
	shift
	nsenter --net="$namespace" "$@"
}

shape_up() {
	shape=$1
	echo "$shape" >"$state/shape"
	[ "$shape" != bridged ] || load_bridge
	lane_numbers | sed "s/.*/netns add lab-lane&$behind/" | ip -batch -
	for lane in $(lane_numbers); do
		lane_side "$lane" | within "$lane" ip -batch -
		client_side "$lane" | within "$lane$behind" ip -batch -
	done
	# The client's own conntrack would count as the lane's: another machine's does not. Its server has none either.
	restore_with "$state/tried" clients_read
	[ "$shape" != forwarded ] || each_lane sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	for lane in $(lane_numbers); do
		server_side "$lane" add
	done | ip netns exec lab-server ip -batch -
	echo "$shape" >"$state/raw/network"
}

lane_numbers() { seq 0 $((lanes - 1)); }

clients_read() { each_lane --input "$run/server.rules" nsenter "--net=/run/netns/{lane}$behind" "$@"; }

# Prints commands for ip(8) in the lane.
lane_side() {
	echo "link add inside type veth peer name lane netns lab-lane$1$behind"
	if [ "$shape" = bridged ]; then
		# Without a delay ports forward at once.
		echo "link add bridge type bridge forward_delay 0"
		echo "link set bridge up"
		echo "link set lane master bridge"
		echo "link set inside master bridge"
	fi
	echo "link set inside up"
	[ "$shape" = bridged ] || for host in $first_client $second_client; do
		echo "route add 10.10.$((10 + $1)).$host dev inside"
	done
}

# ... in the client's namespace.
client_side() {
	via=''
	[ "$shape" = bridged ] || via="via 10.10.$((10 + $1)).89"
	echo "link set lo up"
	echo "addr add 10.10.$((10 + $1)).$first_client/32 dev lane"
	echo "addr add 10.10.$((10 + $1)).$second_client/32 dev lane"
	echo "link set lane up"
	echo "route add $servers $via dev lane ${via:+onlink}"
}

# ... in the server's namespace.
server_side() {
	via=''
	[ "$shape" = bridged ] || via="via 10.10.$((10 + $1)).89"
	for host in $first_client $second_client; do
		echo "route $2 10.10.$((10 + $1)).$host $via dev server$1 ${via:+onlink}"
	done
}

# Gives each client a route to an address of its lane.
route_to_lane() {
	for lane in $(lane_numbers); do
		within "$lane$behind" ip route "$1" "$2" via "10.10.$((10 + lane)).89" dev lane onlink
	done
}

# The lane and its servers get IPv6 addresses, which reach each other by link-local ones: unlike ARP, IPv6 answers only
# for addresses of the same interface. Lane N has fd00:10:10:X::89, where X is 10+N in hexadecimal.
ipv6_up() {
	: >"$state/ipv6"
	restore_ipv6 ip netns exec lab-server
	for lane in $(lane_numbers); do
		subnet=$(printf %x $((10 + lane)))
		within "$lane" ip -batch - <<-EOF
			addr add fe80::2/64 dev lane nodad
			addr add fd00:10:10:$subnet::89/128 dev lane nodad
			route add $servers6 via fe80::1 dev lane
		EOF
	done
	{
		for server6 in $all_servers6; do
			echo "addr add $server6/128 dev lo nodad"
		done
		for lane in $(lane_numbers); do
			echo "addr add fe80::1/64 dev server$lane nodad"
			echo "route add fd00:10:10:$(printf %x $((10 + lane)))::89/128 via fe80::2 dev server$lane"
		done
	} | ip netns exec lab-server ip -batch -
	serve_names "$(echo "$all_servers6" | tr ' ' ,)" "$state/dnsmasq6.pid"
}

# The server has no conntrack, as over IPv4.
restore_ipv6() {
	"$@" ip6tables-restore -w --noflush <"$run/server.rules" 2>"$state/output" ||
		"$@" ip6tables-legacy-restore -w --noflush <"$run/server.rules" 2>"$state/output" ||
		need_of_kernel ip6tables "$@" ip6tables-restore --noflush <"$run/server.rules"
}

ipv6_down() {
	[ -e "$state/ipv6" ] || return 0
	[ ! -e "$state/dnsmasq6.pid" ] || kill "$(cat "$state/dnsmasq6.pid")" 2>/dev/null || true
	{
		for server6 in $all_servers6; do
			echo "addr del $server6/128 dev lo"
		done
		for lane in $(lane_numbers); do
			echo "addr del fe80::1/64 dev server$lane"
			echo "route del fd00:10:10:$(printf %x $((10 + lane)))::89/128"
		done
	} | ip netns exec lab-server ip -force -batch - 2>/dev/null || true
	for lane in $(lane_numbers); do
		ip netns exec "lab-lane$lane" ip -force -batch - <<-EOF 2>/dev/null || true
			addr del fe80::2/64 dev lane
			addr del fd00:10:10:$(printf %x $((10 + lane)))::89/128 dev lane
			route del $servers6
		EOF
	done
	for program in ip6tables ip6tables-legacy; do
		ip netns exec lab-server "$program" -w -t raw -F 2>/dev/null || true
	done
}

# Before 3.18 br_netfilter is a part of the bridge module; from 5.3 on its setting is a namespace's own, on by default.
load_bridge() {
	for module in bridge br_netfilter; do
		[ ! -e "/sys/module/$module" ] || continue
		echo "$module" >>"$state/bridge_modules"
		need_of_kernel "the module $module" modprobe "$module"
	done
	if [ "$(cat /proc/sys/net/bridge/bridge-nf-call-iptables)" != 1 ]; then
		echo "bridged packets do not pass netfilter here: net.bridge.bridge-nf-call-iptables is 0" >&2
		exit 4
	fi
}

# Nothing is left of an interrupted shape_up either. Deleting a namespace also deletes its interfaces' peers, but later.
shape_down() {
	[ -e "$state/shape" ] || return 0
	read -r shape <"$state/shape"
	for lane in $(lane_numbers); do
		server_side "$lane" del
	done | ip netns exec lab-server ip -force -batch - 2>/dev/null || true
	# Not where there is none: to look for a missing interface, the kernel loads a module of its name (dev_load).
	[ "$shape" != bridged ] || each_lane ip link del bridge 2>/dev/null || true
	each_lane sh -c 'ip link del inside; echo 0 >/proc/sys/net/ipv4/ip_forward' 2>/dev/null || true
	for lane in $(lane_numbers); do
		[ ! -e "/run/netns/lab-lane$lane$behind" ] || echo "netns del lab-lane$lane$behind"
	done | ip -batch -
	unload_bridge
}

# A deleted bridge keeps its module for some moments: until its last packets are freed.
unload_bridge() {
	[ -e "$state/bridge_modules" ] || return 0
	for module in br_netfilter bridge; do
		grep -qx "$module" "$state/bridge_modules" || continue
		await unload "$module" || echo "the module $module is still in use, and stays loaded" >&2
	done
	rmmod stp llc 2>/dev/null || true
}

unload() { [ ! -e "/sys/module/$1" ] || rmmod "$1" 2>/dev/null; }
