#!/bin/sh
# Makes trials side by side: in each a client looks a name up in a lane. Prints their raw files as one tar archive, a
# directory a trial, each as soon as the trial has ended; the directory's own entry stands behind its files.
# Usage: trials.sh LANES FIRST COUNT CLIENT NAME MAX-SECONDS [ARGUMENT...]
# Raw files:
#   client.json client.err client.status    the client's timings (seconds), what it said, its exit status
#   dmesg                             the kernel's log during the trial: the hook's lines
#   verdict.jsonl                     what the verdict program logged
#   stat.before stat.after            /proc/net/stat/nf_conntrack of the lane
#   resolv.conf                       what the resolver was told
#   modules                           the modules of netfilter that were loaded
# ... and where evidence is gathered (see gather.sh):
#   client.strace                     the client's calls: strace -f -ttt
#   client.pcap server.pcap           DNS packets on either end of the lane
#   trace                             the kernel's own trace
#   events                            conntrack's events
#   conntrack-S.before conntrack-S.after
#   dnsmasq.log                       what the server was asked
#   clocks.before clocks.after        what time it was by each clock
#   missing                           what is not gathered here, and why
#   stap.out                          what systemtap traced, where it does
set -eu
if [ $# -lt 6 ]; then
	echo "usage: trials.sh LANES FIRST COUNT CLIENT NAME MAX-SECONDS [ARGUMENT...]" >&2
	exit 2
fi
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
through="$lab/build/lanes trials --lanes $1 --first $2 --count $3 --limit /run/lab/scenario/limit"
shift 3
if [ -e /run/lab/scenario/gathers ]; then
	through="$through --beside $lab/guest/gather.sh"
	[ ! -e /run/lab/lab-lane0/gathered ] ||
		through="$through strace -f -ttt -s 600 -o client.strace -e trace=network,poll,ppoll,read,readv,write,writev,close,dup,dup2,dup3"
fi
exec "$lab/guest/client.sh" --through "$through" "$@"
