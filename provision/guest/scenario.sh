#!/bin/sh
# Prepares lanes for the trials of one scenario, and restores them.
# Usage: scenario.sh begin LANES [SETTING=VALUE...]    lanes lab-lane0 .. lab-lane(LANES-1)
#        scenario.sh end
# Settings:
#   nameserver="ADDRESS..."    the resolver's servers; the test network's server by default
#   search="DOMAIN..."     the resolver's search domains; none by default
#   resolver="OPTIONS"     the "options" of resolv.conf(5); none by default
#   glibc=VERSION          the oldest glibc that supports these options
#   client=NAME            the client that will be used (see trials.sh)
#   outside=ADDRESS        a resolver outside of the test network: the lane gets a route through the machine
#   cache=ADDRESS          a caching resolver in each lane, on this address
#   network=host|forwarded|bridged    where the client is: in the lane, or behind it (see shape.sh)
#   ipv6=yes               the lane and the servers also have IPv6 addresses
#   queue=none|nfqdns|iptables|nftables    what sends the lane's DNS packets to NFQUEUE
#   table=mangle|raw       ... the table of a rule: after conntrack, or before it
#   chain=CHAIN            ... its chain, as iptables names it
#   bypass=yes             ... a rule that lets packets pass while no program listens
#   listeners=N            so many programs listen; a rule spreads flows over their queues
#   listening="OPTIONS"    options of the verdict program (see user.out --help)
#   revive=yes             a verdict program is started anew before each trial
#   brings=agent|service|client    what is in the archive that the lab has sent (see agent.sh): a product, which queues
#                          in lane 0; another program, which runs there; or only packages that the client needs
#   firewall="RULES"       input of iptables-restore(8)
#   delay_ms=T delay_at=N  packets with type AAAA at byte N are delayed on the wire
#   evidence=yes           gather evidence of the trials (see gather.sh)
#   trace=none|stap        what traces the confirm of each DNS packet
# Exit status 4: this machine lacks what the scenario needs; the reason is on stderr.
set -eu
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
run=/run/lab
# State from "begin" to "end": lanes (their number), and an empty file for each setting to be restored. Its raw/ has the
# raw files that are the same for all trials.
state=$run/scenario
tracer=$state/stap
server=10.10.10.53
servers=10.10.10.48/28
# The lane's outgoing interface.
interface=lane

# shellcheck source-path=SCRIPTDIR source=rules.sh
. "$lab/guest/rules.sh"
# shellcheck source-path=SCRIPTDIR source=way-out.sh
. "$lab/guest/way-out.sh"
# shellcheck source-path=SCRIPTDIR source=agent.sh
. "$lab/guest/agent.sh"
# shellcheck source-path=SCRIPTDIR source=shape.sh
. "$lab/guest/shape.sh"
# shellcheck source-path=SCRIPTDIR source=names.sh
. "$lab/guest/names.sh"

each_lane() { "$lab/build/lanes" each --lanes "$lanes" "$@"; }

# The same with standard input for each lane.
each_lane_reads() {
	cat >"$state/input"
	each_lane --input "$state/input" "$@"
}

# Waits until the given command succeeds, at most ten seconds.
await() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ "$tries" -le 500 ] || return 1
		sleep 0.02
	done
}

need() {
	command -v "$1" >/dev/null && return
	echo "there is no $1 in this machine" >&2
	exit 4
}

# Runs a command that needs an optional kernel feature.
need_of_kernel() {
	what=$1
	shift
	"$@" 2>"$state/output" && return
	# The exit status does not distinguish this from a missing target.
	if grep -q 'xtables lock' "$state/output"; then
		echo "iptables did not get its lock: $(head -n 1 "$state/output")" >&2
		exit 1
	fi
	echo "this kernel does not support it with $what: $(head -n 1 "$state/output")" >&2
	exit 4
}

need_client() {
	case $1 in
	python) need python3 ;;
	lookup-*) PATH=$lab/build:$PATH need "$1" ;;
	*) need "$1" ;;
	esac
}

need_glibc() {
	has=$(getconf GNU_LIBC_VERSION | sed 's/[^0-9.]//g')
	oldest=$(printf '%s\n%s\n' "$1" "$has" | sort -V | head -n 1)
	[ "$oldest" = "$1" ] && return
	echo "glibc $has does not support this resolver option; $1 does" >&2
	exit 4
}

is_gone() { ! kill -0 "$1" 2>/dev/null; }

# A rule queues packets that leave by the lane's interface, or pass the lane; the module queues every DNS packet, also on
# the loopback.
# Usage: start_queueing BY TABLE CHAIN QUEUES BYPASS
start_queueing() {
	[ ! -e "$state/shape" ] || interface=''
	case $1 in
	nfqdns)
		# Unload a module left by a killed queue.sh.
		[ ! -e /sys/module/nfqdns ] || rmmod nfqdns
		insmod "$lab/build/$(uname -r)/nfqdns.ko"
		;;
	iptables)
		need iptables-restore
		iptables_rules "$interface" "$2" "$3" "$4" "$5" | restore_in_lanes
		;;
	nftables)
		need nft
		nftables_rules "$interface" "$2" "$3" "$4" "$5" | need_of_kernel nftables each_lane_reads nft -f -
		;;
	esac
}

# Sets the iptables rules on standard input in each lane.
restore_in_lanes() {
	cat >"$state/input"
	need_of_kernel iptables restore_with "$state/tried" each_lane --input "$state/input"
}

# Removes rules, and modules that rules have loaded: with NAT in the kernel a plain clash may have another outcome.
remove_rules() {
	one_by_one=''
	# The kernel may not support nf_tables, or not the flush.
	! nft list tables >/dev/null 2>&1 || each_lane nft flush ruleset 2>/dev/null || one_by_one=yes
	if [ -n "$one_by_one" ] || [ -e /proc/net/ip_tables_names ]; then
		each_lane "$lab/guest/remove-rules.sh" 2>"$state/output" || one_by_one=failed
		sort -u "$state/output" >&2
	fi
	unload_nat
	[ "$one_by_one" != failed ]
}

# An address that is not of the loopback is added to it.
start_cache() {
	case $cache in
	127.*) ;;
	*)
		echo "$cache" >"$state/cache"
		each_lane ip addr add "$cache/32" dev lo
		[ ! -e "$state/shape" ] || route_to_lane add "$cache"
		;;
	esac
	each_lane dnsmasq --conf-file=/dev/null --user=root --no-resolv --no-hosts --server="$server" \
		--listen-address="$cache" --bind-interfaces --pid-file=
}

# A separate band for queries for AAAA (type 28: RFC 3596, 2.1).
delay_aaaa() {
	need tc
	need_of_kernel "tc and netem" each_lane_reads tc -batch - <<-EOF
		qdisc add dev $interface root handle 1: prio bands 4
		qdisc add dev $interface parent 1:4 handle 40: netem delay ${1}ms
		filter add dev $interface parent 1: protocol ip u32 match ip protocol 17 0xff match u8 0 0xff at $2 match u8 28 0xff at $(($2 + 1)) flowid 1:4
	EOF
}

# Writes the raw files that are common to all trials.
write_common() {
	for nameserver in $1; do
		echo "nameserver $nameserver"
	done >"$state/raw/resolv.conf"
	[ -z "$2" ] || echo "options $2" >>"$state/raw/resolv.conf"
	[ -z "$3" ] || echo "search $3" >>"$state/raw/resolv.conf"
	# The hook and the trace are machine-wide: the addresses identify the lane's packets. With several lanes each
	# trial gets only its own lines of the log.
	if [ "$lanes" = 1 ]; then
		within 0 ip -o addr show >"$state/raw/addresses"
		[ ! -e "$state/shape" ] || within "0$behind" ip -o addr show >>"$state/raw/addresses"
	fi
	lane=0
	while [ "$lane" -lt "$lanes" ]; do
		while IFS= read -r line; do
			printf '%s\n' "$line"
		done <"$state/raw/resolv.conf" >"/etc/netns/lab-lane$lane/resolv.conf"
		: >"$run/lab-lane$lane/verdict.jsonl"
		lane=$((lane + 1))
	done
}

loaded_modules() {
	while read -r name _; do
		case $name in
		nf* | xt_* | ip*table* | *conntrack* | *_nat* | ctrewind) echo "$name" ;;
		esac
	done </proc/modules
}

start_tracer() {
	if ! command -v stap >/dev/null; then
		echo "there is no systemtap in this machine; on CentOS, 'lab up' with '--trace stap' installs it" >&2
		exit 1
	fi
	: >"$tracer.out"
	# Append, since the trial truncates the file.
	setsid stap -g "$lab/stap/confirm.stp" </dev/null >>"$tracer.out" 2>"$tracer.err" &
	echo $! >"$tracer.pid"
	# It first compiles a kernel module: half a minute, later a second (cached).
	for _ in $(seq 20); do
		! await grep -q '^ready' "$tracer.out" || return 0
		kill -0 "$(cat "$tracer.pid")" 2>/dev/null || break
	done
	echo "systemtap does not trace: $(tail -n 5 "$tracer.err")" >&2
	exit 1
}

stop_tracer() {
	[ -e "$tracer.pid" ] || return 0
	read -r pid <"$tracer.pid"
	kill -s INT "$pid" 2>/dev/null || true
	await is_gone "$pid" || kill -9 "$pid"
}

end() {
	remove_agent
	[ -e "$state/lanes" ] || return 0
	read -r lanes <"$state/lanes"
	"$lab/guest/processors.sh" one
	[ ! -e "$state/gathers" ] || "$lab/guest/gather.sh" stop lab-lane0
	stop_tracer
	# Verdict programs, caches, and abandoned trials.
	"$lab/build/lanes" clear lab-lane
	[ ! -e "$state/delays" ] || each_lane tc qdisc del dev lane root 2>/dev/null || true
	# Last, so that no packet is sent to a queue without a listener while a trial runs.
	[ ! -e /sys/module/nfqdns ] || rmmod nfqdns
	[ ! -e "$state/rules" ] || remove_rules
	[ ! -e "$state/cache" ] || each_lane ip addr del "$(cat "$state/cache")/32" dev lo || true
	ipv6_down
	shape_down
	close_way_out
	rm -rf "$state" "$run/lab-lane0/gathered" "$run/lab-lane0/raw"
}

begin() {
	nameserver=$server resolver='' search='' glibc='' client=curl outside='' cache='' network=host ipv6='' queue=none table=mangle
	chain=POSTROUTING bypass='' listeners=1 listening='' revive='' firewall='' delay_ms='' delay_at='' evidence='' trace=none
	brings=nothing
	for setting in "$@"; do
		value=${setting#*=}
		case $setting in
		nameserver=*) nameserver=$value ;;
		resolver=*) resolver=$value ;;
		search=*) search=$value ;;
		glibc=*) glibc=$value ;;
		client=*) client=$value ;;
		outside=*) outside=$value ;;
		cache=[0-9]*) cache=$value ;;
		queue=none | queue=nfqdns | queue=iptables | queue=nftables) queue=$value ;;
		network=host | network=forwarded | network=bridged) network=$value ;;
		ipv6=yes) ipv6=$value ;;
		table=mangle | table=raw) table=$value ;;
		chain=PREROUTING | chain=FORWARD | chain=OUTPUT | chain=POSTROUTING) chain=$value ;;
		bypass=yes) bypass=$value ;;
		listeners=[0-9]) listeners=$value ;;
		listening=*) listening=$value ;;
		revive=yes) revive=$value ;;
		brings=agent | brings=service | brings=client) brings=$value ;;
		firewall=*) firewall=$value ;;
		delay_ms=*) delay_ms=$value ;;
		delay_at=*) delay_at=$value ;;
		evidence=yes) evidence=$value ;;
		trace=none | trace=stap) trace=$value ;;
		*)
			echo "scenario.sh: unknown setting '$setting'" >&2
			exit 2
			;;
		esac
	done
	[ "$brings" != nothing ] || need_client "$client"
	[ -z "$glibc" ] || need_glibc "$glibc"
	end
	mkdir -p "$state"
	echo "$lanes" >"$state/lanes"
	if [ "$brings" != nothing ]; then
		install_agent
		need_client "$client"
	fi
	: >"$run/dnsmasq.log"
	[ -z "$cache" ] || nameserver=$cache
	if [ -n "$outside" ]; then
		nameserver=$outside interface=out
		open_way_out "$outside"
	fi
	mkdir -p "$state/raw"
	[ "$network" = host ] || shape_up "$network"
	[ -z "$ipv6" ] || ipv6_up
	write_common "$nameserver" "$resolver" "$search"
	[ -z "$cache" ] || start_cache
	# Before the hook is loaded: the tracers load it to read its parameters.
	case $evidence:$trace:$brings in
	:none:nothing | :none:client) ;;
	*) : >"$state/gathers" ;;
	esac
	# What a product does with packets only the kernel's trace shows.
	case $evidence:$brings in
	yes:* | :agent) "$lab/guest/gather.sh" start lab-lane0 $interface "${evidence:-only-trace}" ;;
	esac
	[ "$trace" = none ] || start_tracer
	case $queue:$firewall in
	none: | nfqdns:) ;;
	*) : >"$state/rules" ;;
	esac
	if [ -n "$delay_ms" ]; then
		: >"$state/delays"
		delay_aaaa "$delay_ms" "$delay_at"
	fi
	if [ -n "$firewall" ]; then
		need iptables-restore
		printf '%s\n' "$firewall" | restore_in_lanes
	fi
	if [ "$queue" != none ]; then
		printf '%s\n' "$listeners" "$listening" >"$state/listener"
		[ "$listeners" = 0 ] || "$lab/guest/listener.sh" start "$lanes"
		[ -z "$revive" ] || : >"$state/revives"
		queues=0
		[ "$listeners" -le 1 ] || queues=0:$((listeners - 1))
		start_queueing "$queue" "$table" "$chain" "$queues" "$bypass"
	fi
	start_agent
	loaded_modules >"$state/raw/modules"
}

case "${1:-}:${2:-}" in
begin:[1-9]*)
	lanes=$2
	shift 2
	begin "$@"
	;;
end:)
	rm -f "$agent_sent"
	end
	;;
*)
	echo "usage: scenario.sh begin LANES [SETTING=VALUE...] | end" >&2
	exit 2
	;;
esac
