"""What Vagrant may leave with libvirt's guests, and how it is removed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.provider import libvirt


@contextmanager
def forward(directory: Path, key_file: str) -> Iterator[subprocess.Popen[bytes]]:
    """Give a process that was started with a key file among its arguments, as vagrant-libvirt starts and notes it."""
    arguments = ["-o", f'IdentityFile="{key_file}"', "-L", "127.0.0.1:50022:192.168.121.5:22", "-N"]
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *arguments])
    noted = directory / ".vagrant" / "machines" / "old" / "libvirt" / "pids" / "ssh_50022.pid"
    noted.parent.mkdir(parents=True, exist_ok=True)
    noted.write_text(str(process.pid))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_the_way_to_a_guest_that_is_gone_is_closed(tmp_path: Path) -> None:
    """It would keep the port, and the machine that is made anew could not have it."""
    with forward(tmp_path, "/lab/keys/login") as process:
        libvirt.close_forwards(tmp_path, Path("/lab/keys/login"))

        assert process.poll() is not None
    assert not list(tmp_path.rglob("*.pid"))


def test_a_process_id_that_another_program_has_by_now_is_let_alone(tmp_path: Path) -> None:
    """Ids are used again: only what was started with this lab's key is ended."""
    with forward(tmp_path, "/another/keys/login") as process:
        libvirt.close_forwards(tmp_path, Path("/lab/keys/login"))
        (tmp_path / ".vagrant/machines/old/libvirt/pids/ssh_50022.pid").write_text("not a number")
        libvirt.close_forwards(tmp_path, Path("/lab/keys/login"))

        assert process.poll() is None
