# shellcheck shell=sh
# The netfilter rules that the lab sets in a lane. To be sourced.
# TABLE is mangle, after conntrack, or raw, before it; CHAIN a built-in chain as iptables names it. INTERFACE is the
# outgoing one, or '' for all. QUEUES is a number, or a range "0:1", over which flows are spread.
# shellcheck disable=SC2034  # restored_by is used by sourcing scripts

# nftables_rules INTERFACE TABLE CHAIN QUEUES [BYPASS]    prints the rules for nft(8)
nftables_rules() {
	case $4 in
	*:*) queues=${4%:*}-${4#*:} ;;
	*) queues=$4 ;;
	esac
	cat <<-EOF_RULES
		table ip lab {
			chain queries {
				type filter hook $(echo "$3" | tr '[:upper:]' '[:lower:]') priority $2;
				${1:+oifname "$1"} udp dport 53 queue num $queues ${5:+bypass}
			}
		}
	EOF_RULES
}

# iptables_rules INTERFACE TABLE CHAIN QUEUES [BYPASS]    prints the rules for iptables-restore(8)
iptables_rules() {
	case $4 in
	*:*) queues="--queue-balance $4" ;;
	*) queues="--queue-num $4" ;;
	esac
	cat <<-EOF_RULES
		*$2
		-A $3 ${1:+-o $1} -p udp --dport 53 -j NFQUEUE $queues ${5:+--queue-bypass}
		COMMIT
	EOF_RULES
}

# Prints the rules of the server's namespace, which disable conntrack.
server_rules() {
	cat <<-EOF_RULES
		*raw
		-A PREROUTING -j CT --notrack
		-A OUTPUT -j CT --notrack
		COMMIT
	EOF_RULES
}

# restore_with FILE COMMAND...    sets rules of iptables: runs the command with an iptables-restore program and its
# options appended, one program after another until one succeeds. Sets restored_by to its name, and prints the errors on
# stderr if none succeeds. Debian's iptables uses nf_tables, iptables-legacy ip_tables, and a kernel may support either,
# both, or parts of both. They wait for the lock that all namespaces share; CentOS 7.0's has none.
restore_with() {
	errors=$1
	shift
	restored_by=iptables
	"$@" iptables-restore -w --noflush 2>"$errors" && return
	if command -v iptables-legacy-restore >/dev/null; then
		restored_by=iptables-legacy
		"$@" iptables-legacy-restore -w --noflush 2>>"$errors" && return
	else
		"$@" iptables-restore --noflush 2>"$errors" && return
	fi
	cat "$errors" >&2
	return 1
}

# Runs a command in a temporary network namespace.
in_a_namespace() { unshare --net "$@"; }
