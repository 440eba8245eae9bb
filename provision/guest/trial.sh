#!/bin/sh
# One trial in a lane: a client looks a name up. Prints the raw files as a tar archive.
# Usage, inside the lane's namespace: trial.sh LANE CLIENT NAME MAX-SECONDS [ARGUMENT...]
# Raw files:
#   client.json client.err client.status    the client's timings (seconds), what it said, its exit status
#   dmesg                             the kernel's log during the trial: the hook's lines
#   verdict.start verdict.jsonl       what the verdict program logged at its start, and during the trial
#   stat.before stat.after            /proc/net/stat/nf_conntrack of the lane
#   resolv.conf                       what the resolver was told
#   ctrewind.before ctrewind.after    how often each probe of ctrewind had acted
#   modules                           the modules of netfilter that were loaded
#   stap.out                          what systemtap traced, where it does
# ... and where evidence is gathered (see gather.sh):
#   client.strace                     the client's calls: strace -f -ttt
#   client.pcap server.pcap           DNS packets on either end of the lane
#   trace                             the kernel's own trace
#   events                            conntrack's events
#   conntrack-S.before conntrack-S.after
#   dnsmasq.log                       what the server was asked
#   clocks.before clocks.after        what time it was by each clock
#   missing                           what is not gathered here, and why
# Each process costs some 30 ms under emulation, so the shell itself does what it can.
set -eu
if [ $# -lt 4 ]; then
	echo "usage: trial.sh LANE CLIENT NAME MAX-SECONDS [ARGUMENT...]" >&2
	exit 2
fi
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
lane=$1
shift
state=/run/lab/$lane
gathered=$state/gathered
rm -rf "$state/raw"
mkdir "$state/raw"
cd "$state/raw"

counters() {
	while IFS= read -r line; do
		printf '%s\n' "$line"
	done </proc/net/stat/nf_conntrack >"stat.$1"
	for counter in /sys/module/ctrewind/parameters/*; do
		[ ! -e "$counter" ] || { read -r value <"$counter" && echo "${counter##*/} $value"; }
	done >"ctrewind.$1"
}

loaded_modules() {
	while read -r name _; do
		case $name in
		nf* | xt_* | ip*table* | *conntrack* | *_nat* | ctrewind) echo "$name" ;;
		esac
	done </proc/modules
}

clocks() {
	marker=$gathered/trace_marker
	[ -e "$marker" ] || marker=''
	"$lab/build/clocks" ${marker:+"$marker"} >"clocks.$1"
}

# Whoever writes these files appends, so they may be emptied meanwhile.
begin_gathering() {
	conntrack -S >conntrack-S.before 2>/dev/null || rm -f conntrack-S.before
	for file in client.pcap server.pcap events trace; do
		[ ! -e "$gathered/$file" ] || : >"$gathered/$file"
	done
	: >/run/lab/dnsmasq.log
	clocks before
}

end_gathering() {
	clocks after
	[ ! -e "$gathered/late" ] || sleep 1.2
	conntrack -S >conntrack-S.after 2>/dev/null || rm -f conntrack-S.after
	for side in client server; do
		[ ! -e "$gathered/$side.pcap" ] || cat "$gathered/pcap.header" "$gathered/$side.pcap" >"$side.pcap"
	done
	for file in events trace missing; do
		[ ! -e "$gathered/$file" ] || cat "$gathered/$file" >"$file"
	done
	cat /run/lab/dnsmasq.log >dnsmasq.log
}

# The kernel's log is cut here; no two trials have the same uptime.
read -r uptime _ </proc/uptime
mark=lab-trial-begins-$uptime
: >"$state/verdict.jsonl"
[ ! -e "$state/stap.pid" ] || : >"$state/stap.out"
loaded_modules >modules
strace=''
if [ -e "$gathered" ]; then
	strace='strace -f -ttt -s 600 -o client.strace -e trace=network,poll,ppoll,read,readv,write,writev,close,dup,dup2,dup3'
	begin_gathering
fi
counters before
echo "$mark" >/dev/kmsg

status=0
# shellcheck disable=SC2086  # the options of strace, a word each
$strace "$lab/guest/client.sh" "$@" >client.json 2>client.err || status=$?
echo "$status" >client.status

counters after
[ ! -e "$gathered" ] || end_gathering
if [ -e "$state/stap.pid" ]; then
	sleep 0.5 # systemtap hands over what it has five times a second
	cat "$state/stap.out" >stap.out
fi
# shellcheck disable=SC2094  # the program and the file only share their name
dmesg | awk -v mark="$mark" 'found { print } index($0, mark) { found = 1 }' >dmesg
cp "$state/verdict.start" "$state/verdict.jsonl" /etc/resolv.conf .
tar -cf - ./*
