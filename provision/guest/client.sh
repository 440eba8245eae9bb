#!/bin/sh
# Looks a name up as one client does, and says how long that took.
# Usage: client.sh [--through "COMMAND..."] CLIENT NAME MAX-SECONDS [ARGUMENT...]
# With --through, that command is run instead, the client's own command and its arguments behind it.
# Prints one JSON object with "lookup_s" (seconds); its exit status is the client's (124: it was given up).
# curl, Python and the lab's own programs time the lookup alone. Of any other the whole program is timed, by a clock that
# ticks a hundred times a second.
set -u
lab=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
through=''
if [ "$1" = --through ]; then
	through=$2
	shift 2
fi
client=$1 name=$2 max_s=$3
shift 3

# /proc/uptime in hundredths of a second: no process is needed to read it.
ticks() {
	read -r uptime _ </proc/uptime
	echo "${uptime%.*}${uptime#*.}"
}

time_whole() {
	start=$(ticks)
	timeout "$max_s" "$@" >/dev/null
	status=$?
	took=$(($(ticks) - start))
	printf '{"client": "%s", "lookup_s": %d.%02d, "whole_program": true}\n' "$client" $((took / 100)) $((took % 100))
	exit "$status"
}

# Starting Python takes a second under emulation, so it times the lookup itself.
python='
import socket, sys, time
start = time.monotonic()
socket.getaddrinfo(sys.argv[1], 80)
print(f"{{\"client\": \"python\", \"lookup_s\": {time.monotonic() - start:.6f}}}")
'

# shellcheck disable=SC2086  # the words of the command before the client's
be() { exec $through "$@"; }

# By this script once more, which is then what is run through the other command.
be_timed() { be "$lab/guest/client.sh" timed - "$max_s" "$@"; }

case $client in
timed) time_whole "$@" ;;
curl)
	# The timings one by one: curl 7.29 does not know %{json}. The code as text: for none it is 000, which is no number.
	be curl --silent --show-error --output /dev/null --max-time "$max_s" --write-out '{"client": "curl", "http_code": "%{http_code}", "lookup_s": %{time_namelookup}, "connect_s": %{time_connect}, "total_s": %{time_total}}\n' \
		"$@" "http://$name/"
	;;
getent) be_timed getent ahosts "$@" "$name" ;;
wget) be_timed wget -q -O /dev/null -t 1 "$@" "http://$name/" ;;
python) be timeout "$max_s" python3 "$@" -c "$python" "$name" ;;
busybox) be_timed busybox nslookup "$@" "$name" ;;
lookup-*) be timeout "$max_s" "$lab/build/$client" "$@" "$name" ;;
*)
	echo "client.sh: '$client' is no client it knows" >&2
	exit 2
	;;
esac
