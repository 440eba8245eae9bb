# shellcheck shell=sh
# What a scenario brings along: the product under study, which queues packets in lane 0; another program there, such as a
# forwarder; or the packages of a client. Sourced by scenario.sh; uses its $lab, $state, await(), need() and
# restore_in_lanes(). "agent" is any of these programs.
# shellcheck disable=SC2154  # $state
# The lab sends an archive to $agent_sent; it is unpacked to $agent, on the disk, so that what was put elsewhere can be
# removed after a crash, too. The archive has:
#   start stop        shell scripts; stop is optional, and without start there is no program
#   rules             input of iptables-restore(8), optional
#   ready             one condition in each line: "queue N", "port N", "log TEXT", "rule TEXT", "file PATH"
#   timeout           how long the program may take until all of them hold, in seconds
#   leaves            files that the program writes elsewhere, one in each line
#   packages/*.deb    Debian packages; their files are put into place, their scripts are not run
#   files/N           a file of the program, N from 0; work/NAME are those for the directory where it is started
#   places            in line N+1, "MODE PATH" of files/N
# While it runs there are also:
#   log               its output
#   status            its exit status, as soon as it has one
#   added             what was put into place and has to be removed, one path in each line
agent=/var/lib/lab-agent
agent_sent=/tmp/lab-agent.tar

# Reads names, as paths without the leading slash; notes those that do not exist.
note_new() {
	while IFS= read -r name; do
		name=${name#./}
		name=/${name%/}
		[ -e "$name" ] || [ -L "$name" ] || echo "$name"
	done >>"$agent/added"
}

install_packages() {
	[ -e "$agent/packages" ] || return 0
	need dpkg-deb
	for package in "$agent"/packages/*.deb; do
		dpkg-deb --fsys-tarfile "$package" >"$agent/files.tar"
		tar --quoting-style=literal -tf "$agent/files.tar" | note_new
		sync "$agent/added"
		tar -xf "$agent/files.tar" -C / --keep-directory-symlink --skip-old-files
		rm "$agent/files.tar"
	done
}

install_files() {
	number=0
	[ -e "$agent/places" ] || return 0
	while read -r mode place; do
		if [ -e "$place" ] || [ -L "$place" ]; then
			echo "the file $place that the scenario brings along is in this machine already; choose another path for it" >&2
			exit 1
		fi
		# The topmost directory that is missing is removed with all that is in it.
		new=$place
		while [ ! -e "${new%/*}" ] && [ -n "${new%/*}" ]; do
			new=${new%/*}
		done
		echo "$new" >>"$agent/added"
		sync "$agent/added"
		mkdir -p "${place%/*}"
		cp "$agent/files/$number" "$place"
		chmod "$mode" "$place"
		number=$((number + 1))
	done <"$agent/places"
}

install_agent() {
	[ -e "$agent_sent" ] || { echo "scenario.sh: there is no $agent_sent" >&2 && exit 2; }
	mkdir -p "$agent"
	tar -xf "$agent_sent" -C "$agent"
	rm "$agent_sent"
	mkdir -p "$agent/work"
	: >"$agent/added"
	[ ! -e "$agent/leaves" ] || sed 's|^/||' "$agent/leaves" | note_new
	install_packages
	install_files
}

# Not in a function's pipeline, so that the status is the program's.
run_agent() {
	(
		cd "$agent/work" || exit 1
		exec </dev/null >"$agent/log" 2>&1
		status=0
		ip netns exec lab-lane0 setsid sh "$agent/start" || status=$?
		echo "$status" >"$agent/status"
	) &
}

listens_to_queue() {
	ip netns exec lab-lane0 cat /proc/net/netfilter/nfnetlink_queue | while read -r number _; do
		[ "$number" != "$1" ] || echo yes
	done | grep -q yes
}

# In the kernel's lists a port is hexadecimal; state 0A is TCP_LISTEN, 07 an unconnected UDP socket.
listens_on_port() {
	port=$(printf ':%04X ' "$1")
	for list in tcp tcp6 udp udp6; do
		! ip netns exec lab-lane0 cat "/proc/net/$list" 2>/dev/null |
			grep -q -E "^ *[0-9]+: [0-9A-F]+${port}[0-9A-F]+:0000 0(A|7) " || return 0
	done
	return 1
}

# Whether a rule of the lane has a text, as one of the programs prints it; not all programs need be there.
has_rule() {
	for program in iptables-save 'nft list ruleset'; do
		# shellcheck disable=SC2086  # words of a command
		! ip netns exec lab-lane0 $program 2>/dev/null | grep -q -F -e "$1" || return 0
	done
	return 1
}

# Sets "missing" to the first condition that does not hold.
is_agent_ready() {
	while read -r kind value; do
		case $kind in
		queue) listens_to_queue "$value" || missing="nothing listens to queue $value" ;;
		port) listens_on_port "$value" || missing="nothing listens on port $value" ;;
		rule) has_rule "$value" || missing="no rule in its lane has '$value'" ;;
		file) [ -e "$value" ] || missing="there is no $value" ;;
		log) grep -q -F -e "$value" "$agent/log" || missing="no line of its output has '$value'" ;;
		esac
		[ -z "$missing" ] || return 1
	done <"$agent/ready"
}

seconds_up() {
	read -r up _ </proc/uptime
	echo "${up%.*}"
}

# Waits until the program is ready; prints why it is not. A starter that ends well may have left it in the background.
await_agent() {
	read -r timeout_s <"$agent/timeout"
	until_s=$(($(seconds_up) + timeout_s))
	while
		missing=''
		! is_agent_ready
	do
		if [ -s "$agent/status" ] && read -r status <"$agent/status" && [ "$status" != 0 ]; then
			echo "it ended with exit status $status"
			return
		fi
		if [ "$(seconds_up)" -ge "$until_s" ]; then
			echo "$missing after $timeout_s s"
			return
		fi
		# Looking takes processor time, which the program needs to start.
		sleep 0.3
	done
}

# Starts the program. If it does not start, the trials show that: it is ended, and the lane has no rules.
start_agent() {
	[ -e "$agent/start" ] || return 0
	: >"$state/rules"
	run_agent
	await_agent >"$state/raw/agent.failed"
	if [ -s "$state/raw/agent.failed" ]; then
		# What it printed until now; later lines are about its end.
		tail -c 16000 "$agent/log" >"$state/raw/agent.log"
		end_agent
		remove_rules
		return
	fi
	rm "$state/raw/agent.failed"
	[ ! -e "$agent/rules" ] || restore_in_lanes <"$agent/rules"
}

# Ends the program, and all processes that it left in the lane.
end_agent() {
	if [ -e "$agent/stop" ] && [ -e "$agent/log" ]; then
		(cd "$agent/work" && timeout 20 ip netns exec lab-lane0 sh "$agent/stop" </dev/null >>"$agent/log" 2>&1) || true
	fi
	"$lab/build/lanes" clear lab-lane
	# What waits for it writes its exit status.
	[ ! -e "$agent/log" ] || await test -s "$agent/status" || true
}

# Removes all that was brought along; does nothing if there is nothing.
remove_agent() {
	[ -e "$agent" ] || return 0
	end_agent
	# What is below a removed directory is gone already.
	while IFS= read -r path; do
		rm -rf --one-file-system "$path"
	done <"$agent/added"
	rm -rf "$agent"
}

# Writes the raw files of a trial's begin and end; run in the lane, in the directory of the trial's raw files.
look_at_agent() {
	[ -e "$agent/start" ] || return 0
	cat /proc/net/netfilter/nfnetlink_queue >"queues.$1" 2>/dev/null || rm -f "queues.$1"
	[ "$1" = after ] && [ ! -e /run/lab/scenario/raw/agent.failed ] || return 0
	tail -c 16000 "$agent/log" >agent.log
	[ ! -s "$agent/status" ] || cat "$agent/status" >agent.status
}
