#!/bin/sh
# Finds out who can send packets to NFQUEUE in this machine, by trying: the hook module, or else a rule of nftables or of
# iptables. Needs the test network (see network.sh); leaves nothing behind.
# Usage: queue.sh    prints nfqdns, nftables or iptables, and on a second line why not those before it
# Exit status 4: nobody can, and stderr says why.
set -eu
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
module=$lab/build/$(uname -r)/nfqdns.ko
lane=lab-lane0 interface=lane
why=''
said=$(mktemp)
trap 'rm -f "$said"' EXIT

# Port 0 has no packets.
by_module() { insmod "$module" port=0 && rmmod nfqdns; }

by_nftables() {
	ip netns exec $lane nft -f - <<-EOF
		table ip lab_probe {
			chain queries {
				type filter hook postrouting priority mangle;
				oifname "$interface" udp dport 53 queue num 0
			}
		}
		delete table ip lab_probe
	EOF
}

by_iptables() {
	for action in -A -D; do
		ip netns exec $lane iptables -t mangle $action POSTROUTING -o $interface -p udp --dport 53 -j NFQUEUE --queue-num 0
	done
}

answer() {
	printf '%s\n%s\n' "$1" "${why# }"
	exit 0
}

# Remembers what was said, on one line.
because() {
	words=$(tr '\n' ' ' <"$said" | cut -c 1-200)
	why="$why $1: ${words% };"
}

# A scenario may be at work.
[ ! -e /sys/module/nfqdns ] || answer nfqdns
if [ -e "$module" ]; then
	if by_module >"$said" 2>&1; then answer nfqdns; fi
elif [ -e "${module%.ko}.failed" ]; then
	grep -m 1 -i error "${module%.ko}.failed" >"$said" || tail -n 1 "${module%.ko}.failed" >"$said"
else
	echo "not built, for want of the kernel's headers" >"$said"
fi
because nfqdns
if by_nftables >"$said" 2>&1; then answer nftables; fi
because nftables
if by_iptables >"$said" 2>&1; then answer iptables; fi
because iptables
echo "nothing sends packets to NFQUEUE here:$why" >&2
exit 4
