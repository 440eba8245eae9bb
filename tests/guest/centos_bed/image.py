"""The bed's disk: the lab's Debian tree with dnf, made to look like CentOS 7.0 in a box."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from lab.foundation.home import PROVISION
from lab.image.base import DISK_MB, Base
from lab.image.build import Image
from lab.image.recipe import Recipe
from tests.guest.centos_bed.vault import HIDDEN, UPDATED_KERNEL, Vault

PROGRAMS = Path(__file__).parent / "programs"

WRAPPED = ("ip", "uname")
"""Stand-ins that replace Debian's programs in a fresh box."""

REMOVED = ("/usr/bin/python3", "/usr/sbin/nft", "/usr/sbin/iptables-legacy*", "/usr/sbin/iptables-restore")
"""Programs that CentOS 7.0 lacks."""

_PREPARE = r"""
make -s -C /usr/src/lab-login install
bed=/usr/libexec/bed
mkdir -p $bed/visible /etc/bed/entries /etc/pki/rpm-gpg /var/lib/rpm
cp /opt/bed/key /etc/pki/rpm-gpg/RPM-GPG-KEY-CentOS-7
cp -a /opt/bed/vault /srv/vault

# Another interpreter's name for what dnf runs on, as RHEL 8 has it; the lab must not find it.
cp -L /usr/bin/python3 /usr/libexec/platform-python
sed '1s,.*,#!/usr/libexec/platform-python,' /usr/bin/dnf-3 >$bed/dnf && chmod +x $bed/dnf
mv /usr/bin/ip /usr/bin/uname $bed/
rm -f /usr/sbin/ip
for path in @HIDDEN@; do
	name=${path##*/} real=$(readlink -f "/usr/$path")
	[ "$real" != "/usr/$path" ] || { mv "$real" $bed/$name && real=$bed/$name; }
	rm -f "/usr/$path"
	if [ -e /opt/bed/programs/$name ]; then
		cp /opt/bed/programs/$name $bed/visible/
	else
		ln -s "$real" $bed/visible/$name
	fi
done
for name in bed-kernel grubby systemctl yum python2 uname ip; do cp /opt/bed/programs/$name /usr/sbin/; done
ln -s /usr/sbin/ip /usr/sbin/uname /usr/bin/
rm -f @REMOVED@
cp /opt/bed/programs/iptables-restore /usr/sbin/

# busybox runs the box, out of sight.
mv /bin/busybox $bed/busybox
ln -sf $bed/busybox /sbin/init
sed -i "s,/bin/busybox,$bed/busybox,g" /etc/inittab
sed "s,/bin/busybox,$bed/busybox,g" /etc/lab-boot >$bed/lab-boot && chmod +x $bed/lab-boot
cp /opt/bed/programs/lab-boot /etc/lab-boot
cp /opt/bed/programs/reboot /usr/sbin/reboot

echo 'CentOS Linux release 7.0.1406 (Core) ' >/etc/centos-release
echo 'the image of this bed' >/etc/bed/image
ln -s "$(readlink -f /usr/lib/modules/6.1.*/build)" /etc/bed/headers
mkdir -p /etc/yum.repos.d
printf '[base]\nname=base\nmirrorlist=http://mirrorlist.centos.org/?release=7&arch=x86_64&repo=os\n' \
	>/etc/yum.repos.d/CentOS-Base.repo
echo '127.0.0.1 localhost vault.centos.org' >>/etc/hosts
rpm --import /etc/pki/rpm-gpg/RPM-GPG-KEY-CentOS-7
rpm --install --force-debian --nodeps /srv/vault/installed/*.rpm
rm -rf /opt/bed /srv/vault/installed /etc/ssh/ssh_host_*
"""


def make(directory: Path, base: Base, like: Image) -> Image:
    """Build the bed's image.

    Args:
        directory: Build directory.
        base: Debian's tree from which the lab's image is made.
        like: The lab's image; its kernel and initramfs boot the bed.
    """
    vault = Vault(directory)
    try:
        vault.make()
        _make_disk(directory, base, vault)
    finally:
        vault.end()
    for name in ("vmlinuz-6.1", "initramfs-6.1", "initramfs"):
        shutil.copyfile(like.path / name, directory / name)
    (directory / "manifest.json").write_text(json.dumps({"kernels": {"6.1": like.releases["6.1"]}}))
    return Image(directory)


def _make_disk(directory: Path, base: Base, vault: Vault) -> None:
    stage = directory / "stage"
    shutil.copytree(PROVISION / "image/rootfs", stage)
    shutil.copytree(PROVISION / "image/login", stage / "usr/src/lab-login")
    shutil.copytree(PROGRAMS, stage / "opt/bed/programs")
    shutil.copytree(vault.directory, stage / "opt/bed/vault")
    shutil.copyfile(vault.key, stage / "opt/bed/key")
    (stage / "usr/lib").mkdir(exist_ok=True)
    search = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    modules = ["debugfs", "-R", f"rdump /usr/lib/modules {stage}/usr/lib", str(base.disk)]
    subprocess.run(modules, check=True, capture_output=True, env={**os.environ, "PATH": search})
    hidden = " ".join(path for paths in HIDDEN.values() for path in paths)
    script = _PREPARE.replace("@HIDDEN@", hidden).replace("@REMOVED@", " ".join(REMOVED))
    (stage / "opt/bed/prepare").write_text("set -eu\n" + script)
    mirror = Recipe.from_environment(PROVISION).mirror
    tar = directory / "root.tar"
    command: list[str | Path] = ["mmdebstrap", "--quiet", "--variant=custom", "--skip=output/dev", "--include=dnf,rpm"]
    command += [
        f"--setup-hook=tar-in {base.tools} /",
        '--setup-hook=mkdir -p "$1/dev"',
        f"--customize-hook=sync-in {stage} /",
    ]
    command += ['--customize-hook=chroot "$1" sh /opt/bed/prepare', "bookworm", tar, *([mirror] if mirror else [])]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    faked = [] if os.geteuid() == 0 else ["fakeroot", "--"]
    make_disk = f"mke2fs -q -F -t ext4 -J size=8 -L lab -d tree disk.img {DISK_MB}M"
    unpack = f"mkdir tree && tar -xf root.tar -C tree && {make_disk}"
    subprocess.run([*faked, "sh", "-eu", "-c", unpack], check=True, cwd=directory, env={**os.environ, "PATH": search})
    shutil.rmtree(directory / "tree")
    tar.unlink()


RUNNING_AT_FIRST = f"{UPDATED_KERNEL}.x86_64"
"""Boot configuration of the fresh box."""
