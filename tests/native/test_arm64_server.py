"""`lab check` and `lab watch` of an arm64 server: Debian's own arm64 kernel under emulation, over SSH."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.commands.check import CheckRequest, check
from lab.commands.check_result import Checked
from lab.commands.watch import watch
from lab.commands.watch_request import WatchRequest
from lab.endpoint.endpoint import Account
from lab.endpoint.ssh import answers
from lab.foundation import keys
from lab.foundation.home import Home
from lab.foundation.work import Work
from lab.kernels.apt import mirror
from lab.provider.base import free_port
from lab.session.session import Session

EMULATOR, COMPILER = "qemu-system-aarch64", "aarch64-linux-gnu-gcc"

pytestmark = [
    pytest.mark.container,  # as the container it takes packages from a network
    pytest.mark.skipif(
        shutil.which(COMPILER) is None or shutil.which(EMULATOR) is None,
        reason="apt-get install gcc-aarch64-linux-gnu qemu-system-arm",
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="mmdebstrap needs a range of ids for an ordinary user"),
]

PACKAGES = (
    *("base-files", "coreutils", "dash", "findutils", "grep", "gzip", "iproute2", "kmod", "libc-bin", "mount", "sed"),
    *("util-linux", "openssh-server", "linux-image-cloud-arm64"),
)
"""Unpacked and not configured, so that no program for arm64 runs on this host."""

BOOT_BOUND_S = 600

INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /run/sshd /root
mount -t devpts devpts /dev/pts
modprobe -a virtio_pci virtio_net virtio_rng af_packet
ip link set lo up
ip link set eth0 up
ip address add 10.0.2.15/24 dev eth0
exec /usr/sbin/sshd -D -e -f /dev/null -o UsePAM=no -o StrictModes=no -o HostKey=/etc/ssh/host_key
"""
"""The server's first process. The address is the one that QEMU's user network forwards to."""

RESOLVER = "nameserver 10.0.2.2\noptions timeout:1 attempts:2\n"
"""The address of QEMU's host, which answers ARP; but the network is restricted, and no query gets any further."""


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Yield an account on a server that runs Debian's arm64 kernel."""
    directory = tmp_path_factory.mktemp("arm64")
    tree = directory / "tree"
    subprocess.run(
        [
            *(
                "mmdebstrap",
                "--quiet",
                "--variant=extract",
                "--architectures=arm64",
                "--dpkgopt=path-exclude=/usr/share/*",
            ),
            *(f"--include={','.join(PACKAGES)}", "bookworm", tree, mirror()),
        ],
        check=True,
    )
    (release,) = (path.name for path in (tree / "lib" / "modules").iterdir())
    kernel = directory / "vmlinuz"
    shutil.move(tree / "boot" / f"vmlinuz-{release}", kernel)
    subprocess.run(["depmod", "--basedir", tree, release], check=True)
    login, host = keys.ensure(directory / "login"), keys.ensure(directory / "host")
    _configure(tree, login.public, host.private)
    initramfs = directory / "initramfs"
    pack = 'cd "$1" && find . | cpio --quiet --create --format=newc --owner=0:0 | gzip -1'
    with initramfs.open("wb") as file:
        subprocess.run(["sh", "-euc", pack, "sh", tree], stdout=file, check=True)
    shutil.rmtree(tree)
    port = free_port()
    (directory / ".ssh").mkdir()
    (directory / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{port} {host.public}\n")
    emulator = _started(kernel, initramfs, port, directory / "console")
    try:
        Work().wait_until(lambda: answers("127.0.0.1", port) or emulator.poll() is not None, BOOT_BOUND_S)
        assert answers("127.0.0.1", port), (directory / "console").read_text(errors="replace")[-3000:]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOME", str(directory))
            yield Account("127.0.0.1", "root", port, login.private)
    finally:
        emulator.send_signal(signal.SIGKILL)
        emulator.wait()
        shutil.rmtree(directory)


def _configure(tree: Path, public: str, host_key: Path) -> None:
    (tree / "init").write_text(INIT)
    (tree / "init").chmod(0o755)
    for name in ("proc", "sys", "run", "root/.ssh"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    (tree / "root" / ".ssh" / "authorized_keys").write_text(public + "\n")
    (tree / "etc" / "passwd").write_text("root:*:0:0::/root:/bin/sh\nsshd:*:100:65534::/run/sshd:/bin/false\n")
    (tree / "etc" / "group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (tree / "etc" / "resolv.conf").write_text(RESOLVER)
    shutil.copy(host_key, tree / "etc" / "ssh" / "host_key")


def _started(kernel: Path, initramfs: Path, port: int, console: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            *(EMULATOR, "-machine", "virt", "-cpu", "cortex-a57", "-smp", "2", "-m", "1536", "-display", "none"),
            *("-kernel", kernel, "-initrd", initramfs, "-append", "console=ttyAMA0 panic=-1", "-no-reboot"),
            *("-serial", f"file:{console}", "-device", "virtio-rng-pci", "-device", "virtio-net-pci,netdev=net"),
            *("-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a separate lab."""
    return Home(tmp_path / "lab", tmp_path / "cache", tmp_path / "config.toml")


def test_a_check_finds_the_era_of_an_arm64_kernel(account: Account, home: Home) -> None:
    """Debian's 6.1 does on arm64 what it does on x86_64: no stall, behind DNAT neither."""
    with Session(home, Work()) as session:
        checked = check(session, CheckRequest(account, 5, load=True)).data

    assert isinstance(checked, Checked)
    assert checked.look.architecture == "aarch64"
    assert str(checked.found.era) == "relookup"
    assert any(verdict.armed for verdict in checked.verdicts)
    assert not checked.found.stalled
    assert checked.behind_dnat is not None
    assert checked.behind_dnat.armed
    assert not checked.behind_dnat.stalled


def test_a_watch_sees_a_lookup_that_waits_on_an_arm64_server(account: Account, home: Home) -> None:
    """Its packets are read by the kernel's filter, and its process is found by the socket."""
    with Session(home, Work()) as session:
        watched = watch(session, WatchRequest(account, lookup="www.lab.test"), lambda _seen: None).data

    assert not watched.not_seen
    (stall,) = watched.stalls
    assert stall.name == "www.lab.test"
    assert stall.process.startswith("getent")
    assert stall.waited_s >= 1
    assert "no answer" in stall.says
