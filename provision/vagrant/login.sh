#!/bin/sh
# Vagrant runs this once in a fresh box: the lab's key takes the place of the key that every box has, for root and for
# the box's own user; the machine gets its name; and the server says which key it will be known by.
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
	# Where SELinux is at work, sshd may only read what is labelled for it.
	[ ! -x /sbin/restorecon ] || /sbin/restorecon -R "$home/.ssh"
done

echo "$name" >/etc/hostname
hostname "$name"

sshd=$(command -v sshd || echo /usr/sbin/sshd)
if "$sshd" -T | grep -qix 'permitrootlogin no'; then
	sed -i 's/^[[:space:]]*PermitRootLogin.*/PermitRootLogin without-password/I' /etc/ssh/sshd_config
	systemctl reload sshd
fi

# ECDSA: what OpenSSH 6.4 (CentOS 7.0) has in common with today's clients.
host_key=/etc/ssh/ssh_host_ecdsa_key
if [ ! -e "$host_key" ]; then
	ssh-keygen -q -t ecdsa -N '' -f "$host_key"
	systemctl restart sshd
fi
echo "lab: host key: $(ssh-keygen -y -f "$host_key" | cut -d' ' -f1,2)"
