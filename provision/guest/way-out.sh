# shellcheck shell=sh
# The lane's route to a resolver outside of the test network. Sourced by scenario.sh; uses its $state.
# shellcheck disable=SC2154  # $state

# Unloads unused modules, dependent modules first. Names with ipv4 or ipt are of kernels before 5.2.
unload_nat() {
	for module in xt_nat xt_REDIRECT nf_nat_redirect xt_MASQUERADE ipt_MASQUERADE nft_nat nft_masq_ipv4 nft_masq \
		nft_chain_nat_ipv4 nft_chain_nat iptable_nat nf_nat_masquerade_ipv4 nf_nat_ipv4 nf_nat; do
		[ ! -e "/sys/module/$module" ] || rmmod "$module" 2>/dev/null || true
	done
}

# Through the machine's namespace, which masquerades the lane's address: the lane itself has no NAT. One lane only, to
# limit the load on the external resolver.
open_way_out() {
	if [ -z "$(ip route get "$1" 2>/dev/null)" ]; then
		echo "this machine has no route to $1: a replica's network is isolated" >&2
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
	hide_the_lane
}

# With a table of nftables, which can be removed as a whole, or else with a rule of iptables.
hide_the_lane() {
	if nft -f - 2>"$state/output" <<-EOF; then
		table ip lab_out {
			chain hide {
				type nat hook postrouting priority 100;
				ip saddr 10.10.250.1/30 oifname != "out0" masquerade
			}
		}
	EOF
		return
	fi
	cat >"$state/input" <<-EOF
		*nat
		-A POSTROUTING -s 10.10.250.0/30 ! -o out0 -j MASQUERADE
		COMMIT
	EOF
	need_of_kernel "nftables ($(head -n 1 "$state/output")) or iptables" restore_with "$state/tried" reads_input
}

reads_input() { "$@" <"$state/input"; }

close_way_out() {
	[ -e "$state/outside" ] || return 0
	ip link del "out0" 2>/dev/null || true
	nft delete table ip lab_out 2>/dev/null ||
		iptables -w -t nat -D POSTROUTING -s 10.10.250.0/30 ! -o out0 -j MASQUERADE 2>/dev/null ||
		iptables-legacy -w -t nat -D POSTROUTING -s 10.10.250.0/30 ! -o out0 -j MASQUERADE 2>/dev/null || true
	unload_nat
	cat "$state/outside" >/proc/sys/net/ipv4/ip_forward
	rm -f "$state/outside"
}
