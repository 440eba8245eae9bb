#!/bin/sh
# One trial in a lane: looks a name up and fetches its page with curl, and prints the raw files as a tar archive.
# Usage, inside the lane's namespace: trial.sh LANE NAME MAX-SECONDS
# Raw files:
#   curl.json curl.err curl.status    curl's timings (seconds), what it said, its exit status
#   dmesg                             the kernel's log during the trial: the hook's lines
#   verdict.start verdict.jsonl       what the verdict program logged at its start, and during the trial
#   stat.before stat.after            /proc/net/stat/nf_conntrack of the lane
#   resolv.conf                       what the resolver was told
#   ctrewind.before ctrewind.after    how often each probe of ctrewind had acted
#   stap.out                          what systemtap traced, where it does
# Each process costs some 30 ms under emulation, so the shell itself does what it can.
set -eu
if [ $# -ne 3 ]; then
	echo "usage: trial.sh LANE NAME MAX-SECONDS" >&2
	exit 2
fi
lane=$1 name=$2 max_s=$3
state=/run/lab/$lane
cd "$state/raw"

counters() {
	while IFS= read -r line; do
		printf '%s\n' "$line"
	done </proc/net/stat/nf_conntrack >"stat.$1"
	for counter in /sys/module/ctrewind/parameters/*; do
		[ ! -e "$counter" ] || { read -r value <"$counter" && echo "${counter##*/} $value"; }
	done >"ctrewind.$1"
}

# The kernel's log is cut here; no two trials have the same uptime.
read -r uptime _ </proc/uptime
mark=lab-trial-begins-$uptime
# The verdict program appends, so its log may be emptied while it runs.
: >"$state/verdict.jsonl"
[ ! -e "$state/stap.pid" ] || : >"$state/stap.out"
counters before
echo "$mark" >/dev/kmsg

status=0
# The timings one by one: curl 7.29 does not know %{json}.
curl --silent --show-error --output /dev/null --max-time "$max_s" --write-out '{"http_code": %{http_code}, "time_namelookup": %{time_namelookup}, "time_connect": %{time_connect}, "time_total": %{time_total}}\n' \
	"http://$name/" >curl.json 2>curl.err || status=$?
echo "$status" >curl.status

counters after
traced=''
if [ -e "$state/stap.pid" ]; then
	traced=stap.out
	sleep 0.5 # systemtap hands over what it has five times a second
fi
# shellcheck disable=SC2094  # the program and the file only share their name
dmesg | awk -v mark="$mark" 'found { print } index($0, mark) { found = 1 }' >dmesg
tar -cf - curl.json curl.err curl.status dmesg stat.before stat.after ctrewind.before ctrewind.after \
	-C "$state" verdict.start verdict.jsonl ${traced:+"$traced"} -C /etc resolv.conf
