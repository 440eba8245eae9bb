#!/bin/sh
# Tests whether a kernel module loads; unloads it again.
# Usage: load.sh MODULE.ko [PARAMETER=VALUE...]
# If it does not load, prints the kernel's error, if any, or insmod's.
set -eu
name=${1##*/}
name=${name%.ko}
# A scenario may be using it.
[ ! -e "/sys/module/$name" ] || exit 0
mark="lab: loading $name, $$"
echo "$mark" >/dev/kmsg
if output=$(insmod "$@" 2>&1); then
	rmmod "$name"
	exit 0
fi
dmesg | sed "1,/$mark/d; s/^\[[^]]*\] /error: the kernel does not load it: /" | grep "$name" | grep -v taint ||
	echo "error: $output"
exit 1
