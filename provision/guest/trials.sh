#!/bin/sh
# Runs trials in parallel: in each a client looks up a name in a lane. Prints their raw files as one tar archive, one
# directory per trial, as soon as the trial has ended; the directory's entry follows its files.
# Usage: trials.sh LANES FIRST COUNT CLIENT NAME MAX-SECONDS [ARGUMENT...]
# curl, Python, Node.js, hey and the lab's own programs time only the lookup. For other clients the whole program is
# timed; when it is traced, with the tracer's start.
# Raw files:
#   client.json client.err client.status    the client's timings (seconds), its error output, its exit status
#   dmesg                             the kernel's log during the trial: the hook's lines
#   verdict.jsonl                     the verdict program's log
#   stat.before stat.after            /proc/net/stat/nf_conntrack of the lane
#   resolv.conf                       the resolver's configuration
#   modules                           the loaded netfilter modules
#   addresses                         the addresses of the lane and of the client behind it, if it is the only lane
#   network                           how the lane treats the packets of the client behind it: forwarded, bridged
# ... and of a product, or another program that was brought along (see agent.sh):
#   agent.failed                      why it did not start
#   agent.log agent.status            the end of its output; its exit status, if it has ended
#   queues.before queues.after        the kernel's list of queues in the lane
#   trace trace_clock clocks.before clocks.after    as below, of a product
# ... and if evidence is gathered (see gather.sh):
#   client.strace                     the client's calls: strace -f -ttt
#   client.pcap server.pcap           DNS packets on either end of the lane's way out
#   inside.pcap                       DNS packets between the lane and the client behind it
#   trace trace_clock                 the kernel's trace, and its clock
#   events                            conntrack's events
#   conntrack-S.before conntrack-S.after
#   dnsmasq.log                       the queries that the server received
#   clocks.before clocks.after        simultaneous readings of all clocks
#   missing                           evidence that is not gathered, and why
#   stap.out                          systemtap's trace, if enabled
set -eu
if [ $# -lt 6 ]; then
	echo "usage: trials.sh LANES FIRST COUNT CLIENT NAME MAX-SECONDS [ARGUMENT...]" >&2
	exit 2
fi
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
lanes=$1
options="--lanes $lanes --first $2 --count $3 --limit /run/lab/scenario/limit"
client=$4 name=$5 max_s=$6
shift 6
tracer=''
[ ! -e /run/lab/scenario/shape ] || options="$options --behind -inside"
if [ -e /run/lab/scenario/gathers ] || [ -e /run/lab/scenario/revives ]; then
	options="$options --beside $lab/guest/gather.sh"
	[ ! -e /run/lab/lab-lane0/gathered/tracer ] || read -r tracer </run/lab/lab-lane0/gathered/tracer
fi

# From how many lanes on all processors are needed. Fewer do not keep two busy: their clients wait most of the time.
case $client in
lookup-threads | lookup-clients) many=1 ;;
*) many=16 ;;
esac
[ "$lanes" -lt "$many" ] || "$lab/guest/processors.sh" all

# A client's command is run as it is: no shell per trial.
# shellcheck disable=SC2086  # words of options
trials() { exec "$lab/build/lanes" trials $options "$@"; }

# Python's start takes a second under emulation, so the script times only the lookup.
python='
import socket, sys, time
start = time.monotonic()
socket.getaddrinfo(sys.argv[1], 80)
print(f"{{\"client\": \"python\", \"lookup_s\": {time.monotonic() - start:.6f}}}")
'

# Node.js starts slowly, too. By dns.lookup() its programs connect.
node='
const dns = require("dns");
const start = process.hrtime.bigint();
dns.lookup(process.argv[1], { all: true }, (error, addresses) => {
	if (error) throw error;
	const lookup_s = Number(process.hrtime.bigint() - start) / 1e9;
	console.log(JSON.stringify({ client: "node", addresses: addresses.map((one) => one.address), lookup_s }));
});
'

timed="--bound $max_s --timed $client"
# shellcheck disable=SC2086  # words of a command
case $client in
curl)
	# Single timings: curl 7.29 does not support %{json}. The code is a string: 000 is not valid JSON.
	trials $tracer curl --silent --show-error --output /dev/null --max-time "$max_s" --write-out '{"client": "curl", "http_code": "%{http_code}", "lookup_s": %{time_namelookup}, "connect_s": %{time_connect}, "total_s": %{time_total}}\n' \
		"$@" "http://$name/"
	;;
getent) trials $timed $tracer getent ahosts "$@" "$name" ;;
wget) trials $timed $tracer wget -q -O /dev/null -t 1 "$@" "http://$name/" ;;
busybox) trials $timed $tracer busybox nslookup "$@" "$name" ;;
python) trials --bound "$max_s" $tracer python3 "$@" -c "$python" "$name" ;;
node) trials --bound "$max_s" $tracer node "$@" -e "$node" "$name" ;;
hey) trials --bound "$max_s" $tracer "$lab/guest/hey.sh" "$@" "http://$name/" ;;
lookup-*) trials --bound "$max_s" $tracer "$lab/build/$client" "$@" "$name" ;;
*)
	echo "trials.sh: unknown client '$client'" >&2
	exit 2
	;;
esac
