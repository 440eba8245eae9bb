#!/bin/sh
# Run by Vagrant once in a fresh box: replaces the well-known key by the lab's key, for root and the box's user; sets
# the machine's name; prints the server's host key.
# Usage: login.sh PUBLIC-KEY NAME
set -eu
key=$1 name=$2

for user in root vagrant; do
	home=$(getent passwd "$user" | cut -d: -f6)
	[ -n "$home" ] || continue
	mkdir -p "$home/.ssh"
	echo "$key" >"$home/.ssh/authorized_keys"
	chmod 700 "$home/.ssh"
	chmod 600 "$home/.ssh/authorized_keys"
	chown -R "$user" "$home/.ssh"
	# With SELinux sshd may only read files with the right label.
	[ ! -x /sbin/restorecon ] || /sbin/restorecon -R "$home/.ssh"
done

echo "$name" >/etc/hostname
hostname "$name"

sshd=$(command -v sshd || echo /usr/sbin/sshd)
if "$sshd" -T | grep -qix 'permitrootlogin no'; then
	sed -i 's/^[[:space:]]*PermitRootLogin.*/PermitRootLogin without-password/I' /etc/ssh/sshd_config
	systemctl reload sshd
fi

# ECDSA is supported by OpenSSH 6.4 (CentOS 7.0) and by today's clients.
host_key=/etc/ssh/ssh_host_ecdsa_key
if [ ! -e "$host_key" ]; then
	ssh-keygen -q -t ecdsa -N '' -f "$host_key"
	systemctl restart sshd
fi
echo "lab: host key: $(ssh-keygen -y -f "$host_key" | cut -d' ' -f1,2)"
