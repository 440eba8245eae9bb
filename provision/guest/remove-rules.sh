#!/bin/sh
# Removes all netfilter rules in the current network namespace, where "nft flush ruleset" does not: on kernels before
# 3.18, and for rules of ip_tables.
# Usage: remove-rules.sh
# Exit status 1: rules are left; the first one is on stderr.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=$scratch/failed
: >"$failed"

# Chains must be empty, and tables without chains, before they are deleted.
remove_nftables_rules() {
	nft list tables | while read -r _ family table; do
		nft flush table "$family" "$table"
		nft list table "$family" "$table" | while read -r word chain _; do
			[ "$word" != chain ] || nft delete chain "$family" "$table" "$chain"
		done
		nft delete table "$family" "$table"
	done
}

# The programs for ip_tables, where those for nf_tables are also installed.
if command -v iptables-legacy-save >/dev/null; then
	save=iptables-legacy-save restore=iptables-legacy-restore
else
	save=iptables-save restore=iptables-restore
fi

# Filters iptables-save's output: the same tables without rules and user-defined chains.
emptied() { sed -n -e '/^[*]/p' -e '/^COMMIT/p' -e 's/^:\([A-Z]*\) [A-Z]* .*/:\1 ACCEPT/p'; }

# Wait for the lock; CentOS 7.0's version has no lock and no such option.
remove_iptables_rules() {
	"$save" | emptied >"$scratch/empty"
	"$restore" -w <"$scratch/empty" || "$restore" <"$scratch/empty"
}

# Files in /proc have no size: only reading shows whether ip_tables has a table here.
has_iptables() { read -r _ </proc/net/ip_tables_names; } 2>/dev/null

rules_left() {
	! command -v nft >/dev/null || nft list ruleset 2>/dev/null || true
	! has_iptables || "$save" | grep '^-A' || true
}

if [ -n "$(nft list tables 2>/dev/null)" ]; then
	echo "rules are removed table by table: this kernel does not support 'nft flush ruleset'" >&2
	remove_nftables_rules 2>>"$failed" || echo "nft failed" >>"$failed"
fi
if has_iptables; then
	remove_iptables_rules 2>>"$failed" || echo "$restore failed" >>"$failed"
fi
# Errors count only if rules are left.
[ -s "$failed" ] || exit 0
left=$(rules_left | head -n 1)
[ -n "$left" ] || exit 0
echo "netfilter rules are left, such as '$left': $(head -n 1 "$failed")" >&2
exit 1
