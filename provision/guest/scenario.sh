#!/bin/sh
# Prepares a lane for the trials of one scenario, and puts it back.
# Usage: scenario.sh begin LANE [SETTING=VALUE...]
#        scenario.sh end LANE
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
# By which interface the lane's packets leave, and which lane it is.
interface=lane
number=${lane#lab-lane}
gateway=10.10.250.$((number * 4 + 1))
server=10.10.10.53

in_lane() { ip netns exec "$lane" "$@"; }

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

# The kernel lists a queue that a program listens to; copy mode 2 says that it also asked for the packets.
# shellcheck disable=SC2016  # awk's own variables
queue_is_ready() {
	in_lane awk -v queue="$queue_number" \
		'$1 == queue && $4 == 2 { found = 1 } END { exit !found }' /proc/net/netfilter/nfnetlink_queue
}

is_gone() { ! kill -0 "$1" 2>/dev/null; }

start_verdict_program() {
	# Not by the function: the shell that runs it would stay, and keep open what whoever called us reads.
	ip netns exec "$lane" setsid "$lab/build/user.out" --queue "$queue_number" --hold-packets "$1" --hold-ms "$2" \
		--log "$log" </dev/null >/dev/null 2>"$state/verdict.err" &
	echo $! >"$pidfile"
	if ! await queue_is_ready; then
		echo "the verdict program does not listen to queue $queue_number of $lane: $(cat "$state/verdict.err")" >&2
		exit 1
	fi
	cp "$log" "$state/verdict.start"
}

# A rule takes what leaves by the lane's interface; the module takes every DNS packet, a loopback's too.
start_queueing() {
	case $1 in
	nfqdns) insmod "$lab/build/$(uname -r)/nfqdns.ko" queue="$queue_number" ;;
	iptables)
		need iptables
		[ "$2" = mangle ] && chain=POSTROUTING || chain=OUTPUT
		in_lane iptables -t "$2" -A "$chain" -o "$interface" -p udp --dport 53 -j NFQUEUE --queue-num "$queue_number" \
			${3:+--queue-bypass}
		;;
	nftables)
		need nft
		[ "$2" = mangle ] && hook=postrouting || hook=output
		in_lane nft -f - <<-EOF
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
	! command -v nft >/dev/null || in_lane nft flush ruleset
	for table in $(in_lane cat /proc/net/ip_tables_names 2>/dev/null); do
		in_lane iptables -t "$table" -F
	done
	unload_nat
}

# As far as nobody else uses it.
unload_nat() {
	for module in xt_nat nft_nat nft_masq xt_MASQUERADE nft_chain_nat iptable_nat nf_nat_ipv4 nf_nat; do
		[ ! -e "/sys/module/$module" ] || rmmod "$module" 2>/dev/null || true
	done
}

# Through the machine's own namespace, which hides the lane's address behind its own: the lane itself has no NAT.
open_way_out() {
	if [ -z "$(ip route get "$1" 2>/dev/null)" ]; then
		echo "this machine has no way to $1: a replica's network is closed" >&2
		exit 4
	fi
	cat /proc/sys/net/ipv4/ip_forward >"$state/outside"
	ip -batch - <<-EOF
		link add out$number type veth peer name out netns $lane
		addr add $gateway/30 dev out$number
		link set out$number up
	EOF
	in_lane ip -batch - <<-EOF
		addr add 10.10.250.$((number * 4 + 2))/30 dev out
		link set out up
		route add default via $gateway
	EOF
	echo 1 >/proc/sys/net/ipv4/ip_forward
	# A table of nftables can be removed whole; CentOS 7.0 has none.
	if command -v nft >/dev/null; then
		nft -f - <<-EOF
			table ip lab_out$number {
				chain hide {
					type nat hook postrouting priority 100;
					ip saddr $gateway/30 oifname != "out$number" masquerade
				}
			}
		EOF
	else
		iptables -t nat -A POSTROUTING -s "$gateway/30" ! -o "out$number" -j MASQUERADE
	fi
}

close_way_out() {
	[ -e "$state/outside" ] || return 0
	ip link del "out$number" 2>/dev/null || true
	if command -v nft >/dev/null; then
		nft delete table ip "lab_out$number" 2>/dev/null || true
	else
		iptables -t nat -D POSTROUTING -s "$gateway/30" ! -o "out$number" -j MASQUERADE 2>/dev/null || true
	fi
	unload_nat
	cat "$state/outside" >/proc/sys/net/ipv4/ip_forward
	rm -f "$state/outside"
}

start_cache() {
	in_lane dnsmasq --conf-file=/dev/null --user=root --no-resolv --no-hosts --server="$server" \
		--listen-address=127.0.0.1 --bind-interfaces --pid-file="$state/cache.pid"
}

# A band of its own for packets with a question for AAAA (type 28: RFC 3596, 2.1).
delay_aaaa() {
	need tc
	in_lane tc -batch - <<-EOF
		qdisc add dev $interface root handle 1: prio bands 4
		qdisc add dev $interface parent 1:4 handle 40: netem delay ${1}ms
		filter add dev $interface parent 1: protocol ip u32 match ip protocol 17 0xff match u8 0 0xff at $2 match u8 28 0xff at $(($2 + 1)) flowid 1:4
	EOF
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

# Stops by a signal the program whose number is in a file.
stop_program() {
	[ -e "$2" ] || return 0
	pid=$(cat "$2")
	kill -s "$1" "$pid" 2>/dev/null || true
	await is_gone "$pid" || kill -9 "$pid"
	rm -f "$2"
}

end() {
	[ ! -e "$state/gathered" ] || "$lab/guest/gather.sh" stop "$lane"
	stop_program INT "$tracer.pid"
	stop_program TERM "$pidfile"
	# A trial that nobody waits for any more, and a cache.
	for pid in $(ip netns pids "$lane"); do
		kill "$pid" 2>/dev/null || true
	done
	[ ! -e "$state/delays" ] || in_lane tc qdisc del dev lane root 2>/dev/null || true
	# Last, so that no packet is ever sent to a queue without a listener while a trial runs.
	[ ! -e /sys/module/nfqdns ] || rmmod nfqdns
	[ ! -e "$state/rules" ] || remove_rules
	close_way_out
	rm -rf "$state/gathered" "$state/delays" "$state/rules"
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
	mkdir -p "$state/raw" "/etc/netns/$lane"
	: >"$log"
	: >"$state/verdict.start"
	[ -z "$cache" ] || nameserver=127.0.0.1
	if [ -n "$outside" ]; then
		nameserver=$outside interface=out
		open_way_out "$outside"
	fi
	echo "nameserver $nameserver" >"/etc/netns/$lane/resolv.conf"
	[ -z "$resolver" ] || echo "options $resolver" >>"/etc/netns/$lane/resolv.conf"
	[ -z "$cache" ] || start_cache
	# Before the hook is loaded, which the gatherers ask for something.
	[ -z "$evidence" ] || "$lab/guest/gather.sh" start "$lane" $interface
	[ "$trace" = none ] || start_tracer
	[ "$queue$firewall" = none ] || : >"$state/rules"
	if [ -n "$delay_ms" ]; then
		: >"$state/delays"
		delay_aaaa "$delay_ms" "$delay_at"
	fi
	if [ -n "$firewall" ]; then
		need iptables-restore
		printf '%s\n' "$firewall" | in_lane iptables-restore
	fi
	if [ "$queue" != none ]; then
		[ "$listener" = no ] || start_verdict_program "$hold_packets" "$hold_ms"
		start_queueing "$queue" "$table" "$bypass"
	fi
}

"$action" "$@"
