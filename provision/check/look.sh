#!/bin/sh
# Prints what a machine has for the check, in sections that the host parses; changes and loads nothing.
# Usage: look.sh MODULE...
set -u
PATH=$PATH:/usr/sbin:/sbin
export PATH LC_ALL=C

section() { printf '== %s\n' "$1"; }

section uname
uname -s
uname -r
uname -m
uname -n
section user
id -u
# sudo only without a password: there is no terminal.
[ "$(id -u)" = 0 ] || { sudo -n true 2>/dev/null && echo sudo; }
section system
# shellcheck source=/dev/null
[ ! -r /etc/os-release ] || (. /etc/os-release && echo "${PRETTY_NAME:-}")
section loaded
# Without those of another check: it unloads them, now or later. Its list is read first, so that it cannot end unseen.
others=$(cat /run/five-second-lab-check.* 2>/dev/null)
[ ! -r /proc/modules ] || cut -d ' ' -f 1 /proc/modules | grep -vxF -e "$others"
section modules
[ ! -e /proc/modules ] || echo supported
[ "$(cat /proc/sys/kernel/modules_disabled 2>/dev/null)" != 1 ] || echo disabled
command -v modprobe
section depends
# The insmod commands of modprobe including softdeps, or its error message.
if command -v modprobe >/dev/null; then
	for module; do
		echo "@ $module"
		modprobe --show-depends "$module" 2>&1
	done
fi
section config
release=$(uname -r)
if [ -r /proc/config.gz ]; then
	gzip -dc /proc/config.gz
elif [ -r "/boot/config-$release" ]; then
	cat "/boot/config-$release"
elif [ -r "/lib/modules/$release/config" ]; then
	cat "/lib/modules/$release/config"
fi | grep -E 'CONFIG_(NF_|NFT_|NETFILTER|IP_NF_|VETH|NET_NS|MODULES)'
section options
cat /etc/modprobe.d/*.conf 2>/dev/null | grep -E '^ *options +nf_conntrack '
exit 0
