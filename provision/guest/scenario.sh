#!/bin/sh
# Prepares lanes for the trials of one scenario, and puts them back.
# Usage: scenario.sh begin LANES [SETTING=VALUE...]    lanes lab-lane0 .. lab-lane(LANES-1)
#        scenario.sh end
# Settings:
#   nameserver=ADDRESS     whom the resolver asks; the test network's server by default
#   resolver="OPTIONS"     the "options" of resolv.conf(5); none by default
#   glibc=VERSION          the oldest C library that knows these options
#   client=NAME            the client that will be used (see client.sh)
#   outside=ADDRESS        a resolver outside of the test network: the lane gets a way out, through the machine
#   cache=yes              a caching resolver of the lane's own, on 127.0.0.1
#   queue=none|nfqdns|iptables|nftables    who sends the lane's DNS packets to NFQUEUE
#   table=mangle|raw       ... where a rule does it: at POST_ROUTING, or before conntrack at OUTPUT
#   bypass=yes             ... by a rule which lets them pass while no program listens
#   listener=no            no program listens
#   hold_packets=N hold_ms=T    when the verdict program lets them go (see user.out --help)
#   firewall="RULES"       what iptables-restore(8) reads
#   delay_ms=T delay_at=N  packets whose bytes N and N+1 say AAAA are delayed on the wire
#   evidence=yes           gather evidence beside the trials (see gather.sh)
#   trace=none|stap        what traces the confirm of each DNS packet
# Exit status 4: this machine lacks what the scenario is about, and stderr says what.
set -eu
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
run=/run/lab
# What is remembered from "begin" to "end": lanes (how many), and an empty file for each thing that has to be put back.
# Its raw/ has those raw files that are the same for all trials.
state=$run/scenario
tracer=$state/stap
queue_number=0
server=10.10.10.53
# By which interface a lane's packets leave.
interface=lane

each_lane() { "$lab/build/lanes" each --lanes "$lanes" "$@"; }

# The same, with what is on standard input as that of each.
each_lane_reads() {
	cat >"$state/input"
	each_lane --input "$state/input" "$@"
}

# Waits until the command given succeeds, ten seconds at most.
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

# Runs a command that asks the kernel for what not every kernel has.
need_of_kernel() {
	what=$1
	shift
	"$@" 2>"$state/said" && return
	echo "this kernel does not do it by $what: $(head -n 1 "$state/said")" >&2
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
	echo "glibc $has knows no such resolver option; $1 does" >&2
	exit 4
}

is_gone() { ! kill -0 "$1" 2>/dev/null; }

# A rule takes what leaves by the lane's interface; the module takes every DNS packet, a loopback's too.
start_queueing() {
	case $1 in
	nfqdns) insmod "$lab/build/$(uname -r)/nfqdns.ko" queue="$queue_number" ;;
	iptables)
		need iptables
		[ "$2" = mangle ] && chain=POSTROUTING || chain=OUTPUT
		need_of_kernel iptables each_lane iptables -t "$2" -A "$chain" -o "$interface" -p udp --dport 53 -j NFQUEUE --queue-num "$queue_number" \
			${3:+--queue-bypass}
		;;
	nftables)
		need nft
		[ "$2" = mangle ] && hook=postrouting || hook=output
		need_of_kernel nftables each_lane_reads nft -f - <<-EOF
			table ip lab {
				chain queries {
					type filter hook $hook priority $2;
					oifname "$interface" udp dport 53 queue num $queue_number ${3:+bypass}
				}
			}
		EOF
		;;
	esac
}

# Rules, and modules that rules have loaded: with NAT in the kernel even a plain clash ends otherwise.
remove_rules() {
	# The program may be there without the kernel's part.
	! nft list tables >/dev/null 2>&1 || each_lane nft flush ruleset
	# shellcheck disable=SC2016  # the lane's own tables
	[ ! -e /proc/net/ip_tables_names ] ||
		each_lane sh -c 'while read -r table; do iptables -t "$table" -F; done </proc/net/ip_tables_names'
	unload_nat
}

# As far as nobody else uses it.
unload_nat() {
	for module in xt_nat nft_nat nft_masq xt_MASQUERADE nft_chain_nat iptable_nat nf_nat_ipv4 nf_nat; do
		[ ! -e "/sys/module/$module" ] || rmmod "$module" 2>/dev/null || true
	done
}

# Through the machine's own namespace, which hides the lane's address behind its own: the lane itself has no NAT. One
# lane only: nobody's resolver is to be asked by many at once.
open_way_out() {
	if [ -z "$(ip route get "$1" 2>/dev/null)" ]; then
		echo "this machine has no way to $1: a replica's network is closed" >&2
		exit 4
	fi
	cat /proc/sys/net/ipv4/ip_forward >"$state/outside"
	ip -batch - <<-EOF
		link add out0 type veth peer name out netns lab-lane0
		addr add 10.10.250.1/30 dev out0
		link set out0 up
	EOF
	ip netns exec lab-lane0 ip -batch - <<-EOF
		addr add 10.10.250.2/30 dev out
		link set out up
		route add default via 10.10.250.1
	EOF
	echo 1 >/proc/sys/net/ipv4/ip_forward
	# A table of nftables can be removed whole; CentOS 7.0 has none.
	if command -v nft >/dev/null; then
		nft -f - <<-EOF
			table ip lab_out {
				chain hide {
					type nat hook postrouting priority 100;
					ip saddr 10.10.250.1/30 oifname != "out0" masquerade
				}
			}
		EOF
	else
		iptables -t nat -A POSTROUTING -s "10.10.250.1/30" ! -o "out0" -j MASQUERADE
	fi
}

close_way_out() {
	[ -e "$state/outside" ] || return 0
	ip link del "out0" 2>/dev/null || true
	if command -v nft >/dev/null; then
		nft delete table ip "lab_out" 2>/dev/null || true
	else
		iptables -t nat -D POSTROUTING -s "10.10.250.1/30" ! -o "out0" -j MASQUERADE 2>/dev/null || true
	fi
	unload_nat
	cat "$state/outside" >/proc/sys/net/ipv4/ip_forward
	rm -f "$state/outside"
}

start_cache() {
	each_lane dnsmasq --conf-file=/dev/null --user=root --no-resolv --no-hosts --server="$server" \
		--listen-address=127.0.0.1 --bind-interfaces --pid-file=
}

# A band of its own for packets with a question for AAAA (type 28: RFC 3596, 2.1).
delay_aaaa() {
	need tc
	need_of_kernel "tc and netem" each_lane_reads tc -batch - <<-EOF
		qdisc add dev $interface root handle 1: prio bands 4
		qdisc add dev $interface parent 1:4 handle 40: netem delay ${1}ms
		filter add dev $interface parent 1: protocol ip u32 match ip protocol 17 0xff match u8 0 0xff at $2 match u8 28 0xff at $(($2 + 1)) flowid 1:4
	EOF
}

# What trials leave beside their own files.
write_common() {
	mkdir -p "$state/raw"
	echo "nameserver $1" >"$state/raw/resolv.conf"
	[ -z "$2" ] || echo "options $2" >>"$state/raw/resolv.conf"
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

stop_tracer() {
	[ -e "$tracer.pid" ] || return 0
	read -r pid <"$tracer.pid"
	kill -s INT "$pid" 2>/dev/null || true
	await is_gone "$pid" || kill -9 "$pid"
}

end() {
	[ -e "$state/lanes" ] || return 0
	read -r lanes <"$state/lanes"
	[ ! -e "$state/gathers" ] || "$lab/guest/gather.sh" stop lab-lane0
	stop_tracer
	# Verdict programs, caches, and trials that nobody waits for any more.
	"$lab/build/lanes" clear lab-lane
	[ ! -e "$state/delays" ] || each_lane tc qdisc del dev lane root 2>/dev/null || true
	# Last, so that no packet is ever sent to a queue without a listener while a trial runs.
	[ ! -e /sys/module/nfqdns ] || rmmod nfqdns
	[ ! -e "$state/rules" ] || remove_rules
	close_way_out
	rm -rf "$state" "$run/lab-lane0/gathered" "$run/lab-lane0/raw"
}

begin() {
	nameserver=$server resolver='' glibc='' client=curl outside='' cache='' queue=none table=mangle bypass='' listener=yes
	hold_packets=1 hold_ms=0 firewall='' delay_ms='' delay_at='' evidence='' trace=none
	for setting in "$@"; do
		value=${setting#*=}
		case $setting in
		nameserver=*) nameserver=$value ;;
		resolver=*) resolver=$value ;;
		glibc=*) glibc=$value ;;
		client=*) client=$value ;;
		outside=*) outside=$value ;;
		cache=yes) cache=$value ;;
		queue=none | queue=nfqdns | queue=iptables | queue=nftables) queue=$value ;;
		table=mangle | table=raw) table=$value ;;
		bypass=yes) bypass=$value ;;
		listener=no) listener=$value ;;
		hold_packets=*) hold_packets=$value ;;
		hold_ms=*) hold_ms=$value ;;
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
	need_client "$client"
	[ -z "$glibc" ] || need_glibc "$glibc"
	end
	mkdir -p "$state"
	echo "$lanes" >"$state/lanes"
	: >"$run/dnsmasq.log"
	[ -z "$cache" ] || nameserver=127.0.0.1
	if [ -n "$outside" ]; then
		nameserver=$outside interface=out
		open_way_out "$outside"
	fi
	write_common "$nameserver" "$resolver"
	[ -z "$cache" ] || start_cache
	# Before the hook is loaded, which the gatherers ask for something.
	[ "$evidence$trace" = none ] || : >"$state/gathers"
	[ -z "$evidence" ] || "$lab/guest/gather.sh" start lab-lane0 $interface
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
		printf '%s\n' "$firewall" | need_of_kernel iptables each_lane_reads iptables-restore
	fi
	if [ "$queue" != none ]; then
		[ "$listener" = no ] || "$lab/build/lanes" serve --lanes "$lanes" --queue "$queue_number" \
			"$lab/build/user.out" --queue "$queue_number" --hold-packets "$hold_packets" --hold-ms "$hold_ms" \
			--log "$run/{lane}/verdict.jsonl"
		start_queueing "$queue" "$table" "$bypass"
	fi
	loaded_modules >"$state/raw/modules"
}

case "${1:-}:${2:-}" in
begin:[1-9]*)
	lanes=$2
	shift 2
	begin "$@"
	;;
end:) end ;;
*)
	echo "usage: scenario.sh begin LANES [SETTING=VALUE...] | end" >&2
	exit 2
	;;
esac
