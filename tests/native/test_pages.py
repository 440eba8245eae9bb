"""The HTTP server of guests without busybox."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from lab.foundation.home import PROVISION
from lab.foundation.work import Work
from lab.provider.base import HOST, free_port
from lab.runs.lanes import MOST


def test_clients_of_every_lane_connect_while_the_server_is_busy(tmp_path: Path) -> None:
    """A client that does not fit into the backlog retransmits its SYN after a second, like a slow page."""
    (tmp_path / "index.html").write_text("the page")
    port = free_port()
    program: list[str | Path] = [sys.executable, PROVISION / "guest" / "pages.py", HOST, str(port)]
    server = subprocess.Popen(program, cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        assert Work().wait_until(lambda: _answers(port), 60)
        server.send_signal(signal.SIGSTOP)
        with contextlib.ExitStack() as stack:
            for _ in range(MOST):
                stack.enter_context(socket.create_connection((HOST, port), timeout=0.9))
    finally:
        server.kill()
        server.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/") as page:
            return bool(page.read() == b"the page")
    except OSError:
        return False
