#!/bin/sh
# Makes two packets of one flow clash in a temporary namespace, and prints the outcome. For replicas only: it needs bash
# and nft, which Debian's image has.
# Usage: clash.sh plain|dnat    prints "left=N insert_failed=N drop=N": the number of transmitted packets, and counters
# With "dnat" each packet is mapped to another address. The NAT modules loaded for that are unloaded again: with NAT in
# the kernel a plain clash may have another outcome.
set -eu
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
namespace='lab-clash'
# Only .1 is the address of a host; packets to the others are lost at the other end of the link.
network=10.10.250 port=9

in_there() { ip netns exec $namespace "$@"; }

# Waits until the given command succeeds, at most ten seconds.
await() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ "$tries" -le 200 ] || return 1
		sleep 0.05
	done
}

nat_is_loaded() { [ -e /sys/module/nf_nat ]; }

# The kernel removes the namespace, whose rules use the modules, asynchronously.
unload_nat() {
	rmmod nft_nat nft_chain_nat nf_nat 2>/dev/null || true
	! nat_is_loaded
}

clean() {
	[ -z "$program" ] || kill "$program" 2>/dev/null || true
	ip netns del $namespace 2>/dev/null || true
	rm -rf "$files"
	[ -n "$had_nat" ] || await unload_nat || echo "clash.sh: the modules of NAT are still loaded" >&2
}

begin() {
	# Remove leftovers of a killed run.
	"$lab/build/lanes" clear $namespace
	ip netns del $namespace 2>/dev/null || true
	ip netns add $namespace
	in_there ip -batch - <<-EOF
		link add out type veth peer name in
		link set out addrgenmode none
		link set in addrgenmode none
		addr add $network.1/24 dev out
		link set in up
		link set out up
		neigh add $network.2 lladdr 02:00:00:00:00:02 dev out
		neigh add $network.3 lladdr 02:00:00:00:00:03 dev out
		neigh add $network.4 lladdr 02:00:00:00:00:04 dev out
	EOF
	in_there nft -f - <<-EOF
		table ip lab {
			$1
			chain queries {
				type filter hook postrouting priority mangle;
				udp dport $port ct state new queue num 0
			}
		}
	EOF
}

# The two packets have different lengths; the UDP length includes the 8 bytes of the header.
map_apart="chain apart {
	type nat hook output priority -100;
	udp dport $port udp length 9 dnat to $network.3
	udp dport $port udp length 10 dnat to $network.4
}"

# Reads the file of the verdict program's namespace through /proc/PID: no process in the namespace is needed.
listens() { read -r _ <"/proc/$program/net/netfilter/nfnetlink_queue"; } 2>/dev/null

both_wait() { [ "$(grep -c '"packet"' "$files/verdict.jsonl")" = 2 ]; }

# Sums a counter of the namespace's conntrack: a line of names, then one line of hexadecimal numbers per processor.
counter() {
	wanted=$1 total=0
	{
		read -r names
		while read -r values; do
			# shellcheck disable=SC2086  # a word each
			set -- $values
			for name in $names; do
				[ "$name" != "$wanted" ] || total=$((total + 0x$1))
				shift
			done
		done
	} <"/proc/$program/net/stat/nf_conntrack"
}

# A line has eight columns of receive counters, then the transmitted bytes and packets.
packets_sent() {
	while read -r link _ _ _ _ _ _ _ _ _ sent _; do
		[ "$link" != out: ] || left=$sent
	done <"/proc/$program/net/dev"
}

count() {
	packets_sent
	counter insert_failed
	failed=$total
	counter drop
	dropped=$total
	outcome="left=$left insert_failed=$failed drop=$dropped"
}

# Whether both were transmitted, or one of them clashed, and the counters do not change any more.
has_ended() {
	count
	[ "$left" = 2 ] || [ "$failed" != 0 ] || return 1
	before=$outcome
	sleep 0.1
	count
	[ "$outcome" = "$before" ]
}

case "${1:-}" in
plain) rules='' ;;
dnat) rules=$map_apart ;;
*)
	echo "usage: clash.sh plain|dnat" >&2
	exit 2
	;;
esac
program='' had_nat=''
! nat_is_loaded || had_nat=yes
files=$(mktemp -d)
trap clean EXIT
trap 'exit 3' HUP INT TERM
begin "$rules"
# Not in a function, so that $! is the program itself. Its output is redirected, so that readers of this script's output
# do not wait for it.
ip netns exec $namespace "$lab/build/user.out" --queue 0 --hold-packets 2 --hold-ms 10000 --log "$files/verdict.jsonl" \
	</dev/null >"$files/output" 2>&1 &
program=$!
await listens || { echo "clash.sh: nothing listens to the queue: $(tail -n 1 "$files/output")" >&2 && exit 3; }
# One socket, two packets.
in_there bash -c "exec 3<>/dev/udp/$network.2/$port; printf 1 >&3; printf 22 >&3"
await both_wait || { echo "clash.sh: the two packets did not come to the queue" >&2 && exit 3; }
await has_ended || true
echo "$outcome"
