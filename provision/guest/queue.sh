#!/bin/sh
# Determines by trying what can send packets to NFQUEUE on this machine: the hook module, or a rule of nftables or
# iptables. Changes nothing permanently.
# Usage: queue.sh    prints nfqdns, nftables or iptables, and on a second line why the preceding ones failed
# Exit status 4: none works; the reasons are on stderr.
set -eu
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
module=$lab/build/$(uname -r)/nfqdns.ko
interface=lane
# shellcheck source-path=SCRIPTDIR source=rules.sh
. "$lab/guest/rules.sh"
why=''
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
output=$scratch/output tried=$scratch/tried rules=$scratch/rules

# Port 0 matches no packets.
by_module() { insmod "$module" port=0 && rmmod nfqdns; }

# Sets a scenario's rule in a temporary namespace.
by_nftables() { nftables_rules $interface mangle POSTROUTING 0 | in_a_namespace nft -f -; }

by_iptables() {
	iptables_rules $interface mangle POSTROUTING 0 >"$rules"
	restore_with "$tried" in_a_namespace_reads
}

# shellcheck disable=SC2317  # called by restore_with
in_a_namespace_reads() { in_a_namespace "$@" <"$rules"; }

answer() {
	printf '%s\n%s\n' "$1" "${why# }"
	exit 0
}

# Appends the command's output to the reasons, in one line.
because() {
	words=$(tr '\n' ' ' <"$output" | cut -c 1-200)
	why="$why $1: ${words% };"
}

# A scenario may be using it.
[ ! -e /sys/module/nfqdns ] || answer nfqdns
if [ -e "$module" ]; then
	if by_module >"$output" 2>&1; then answer nfqdns; fi
elif [ -e "${module%.ko}.failed" ]; then
	grep -m 1 -i error "${module%.ko}.failed" >"$output" || tail -n 1 "${module%.ko}.failed" >"$output"
else
	echo "not built: the kernel's headers are missing" >"$output"
fi
because nfqdns
if by_nftables >"$output" 2>&1; then answer nftables; fi
because nftables
if by_iptables >"$output" 2>&1; then answer iptables; fi
because iptables
echo "nothing sends packets to NFQUEUE here:$why" >&2
exit 4
