#!/bin/sh
# One trial in a lane: looks a name up and fetches its page with curl, and prints the raw files as a tar archive.
# Usage: trial.sh LANE NAME MAX-SECONDS
# Raw files:
#   curl.json curl.err curl.status    curl's timings (seconds), what it said, its exit status
#   dmesg                             the kernel's log during the trial: the hook's lines
#   verdict.jsonl                     what the verdict program logged during the trial
#   stat.before stat.after            /proc/net/stat/nf_conntrack of the lane
#   resolv.conf                       what the resolver was told
#   ctrewind.before ctrewind.after    how often each probe of ctrewind had acted
set -eu
if [ $# -ne 3 ]; then
	echo "usage: trial.sh LANE NAME MAX-SECONDS" >&2
	exit 2
fi
lane=$1 name=$2 max_s=$3

# Everything below runs inside the lane's namespace.
if [ "${LAB_INSIDE:-}" != "$lane" ]; then
	LAB_INSIDE=$lane exec ip netns exec "$lane" "$0" "$@"
fi

log=/run/lab/$lane/verdict.jsonl
raw=$(mktemp -d "/run/lab/$lane/trial.XXXXXX")
trap 'rm -rf "$raw"' EXIT
mark=lab-trial-${raw##*.}-begins

counters() {
	cat /proc/net/stat/nf_conntrack >"$raw/stat.$1"
	[ ! -d /sys/module/ctrewind ] || (cd /sys/module/ctrewind/parameters && grep . ./* >"$raw/ctrewind.$1")
}

logged=0
[ ! -e "$log" ] || logged=$(stat -c %s "$log")
cp /etc/resolv.conf "$raw/resolv.conf"
counters before
echo "$mark" >/dev/kmsg

status=0
# The timings one by one: curl 7.29 does not know %{json}.
curl --silent --show-error --output /dev/null --max-time "$max_s" --write-out '{"http_code": %{http_code}, "time_namelookup": %{time_namelookup}, "time_connect": %{time_connect}, "time_total": %{time_total}}\n' \
	"http://$name/" >"$raw/curl.json" 2>"$raw/curl.err" || status=$?
echo "$status" >"$raw/curl.status"

counters after
dmesg | sed "1,/$mark/d" >"$raw/dmesg"
[ ! -e "$log" ] || tail -c "+$((logged + 1))" "$log" >"$raw/verdict.jsonl"
tar -C "$raw" -cf - .
