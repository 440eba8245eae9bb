#!/bin/sh
# Prints the cost of watching DNS in this network namespace: processor time in nanoseconds and peak memory in kB, of the
# program of `lab watch` and of tcpdump, then the packets that each has seen.
# Usage: watching.sh PROGRAM PYTHON QUESTIONS RATE SECONDS
set -eu
program=$1 python=$2 questions=$3 rate=$4 seconds=$5
place=$(mktemp -d)
trap 'kill $watch $dump 2>/dev/null || :; rm -rf "$place"' EXIT
watch='' dump=''
ip link set lo up
mkfifo "$place/input"
"$program" <"$place/input" >"$place/lines" &
watch=$!
exec 3>"$place/input"
# Without the pipe, whose end ends the other program.
tcpdump -Z root -i any -w "$place/dns.pcap" port 53 2>"$place/errors" 3>&- &
dump=$!
tries=0
until grep -q listening "$place/errors" && grep -q '^t' "$place/lines"; do
	tries=$((tries + 1))
	[ $tries -le 300 ] || { cat "$place/errors" >&2; exit 1; }
	sleep 0.1
done
time_of() { cut -d ' ' -f 1 "/proc/$1/schedstat"; }
peak_of() { awk '/^VmHWM:/ { print $2 }' "/proc/$1/status"; }
watch_begin=$(time_of $watch) dump_begin=$(time_of $dump)
"$python" "$questions" "$rate" "$seconds"
sleep 0.2
watch_end=$(time_of $watch) dump_end=$(time_of $dump)
watch_peak=$(peak_of $watch) dump_peak=$(peak_of $dump)
sleep 1
exec 3>&-
wait $watch || :
kill $dump
wait $dump || :
# Other namespaces may have packets, too.
number=$(awk -v "inode=$(readlink /proc/self/ns/net | tr -dc 0-9)" '$1 == "net" && $3 == inode { print $2; exit }' "$place/lines")
echo $((watch_end - watch_begin)) $((dump_end - dump_begin)) "$watch_peak" "$dump_peak" \
	"$(grep -c "^p $number " "$place/lines")" "$(tcpdump -r "$place/dns.pcap" 2>/dev/null | wc -l)"
