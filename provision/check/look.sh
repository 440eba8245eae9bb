#!/bin/sh
# Looks at what a machine has for the check, without changing or loading anything: prints sections for the host to read.
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
# Without a password, or not at all: nobody is here to type one.
[ "$(id -u)" = 0 ] || { sudo -n true 2>/dev/null && echo sudo; }
section system
# shellcheck source=/dev/null
[ ! -r /etc/os-release ] || (. /etc/os-release && echo "${PRETTY_NAME:-}")
section loaded
[ ! -r /proc/modules ] || cut -d ' ' -f 1 /proc/modules
section modules
[ ! -e /proc/modules ] || echo supported
[ "$(cat /proc/sys/kernel/modules_disabled 2>/dev/null)" != 1 ] || echo disabled
command -v modprobe
section depends
# What modprobe would do, softdeps and all, and its own words where it would do nothing.
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
