"""Atomic files, locks, and programs that end with all their children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from lab.foundation import process
from lab.foundation.errors import BrokenEnvironment, Cancelled
from lab.foundation.files import locked, require_space, write_once, write_whole
from lab.foundation.work import Event, StepStarted, Work


def test_a_file_is_replaced_atomically_with_private_permissions(tmp_path: Path) -> None:
    """Readers see the old content or the new."""
    path = tmp_path / "deep" / "file"
    write_whole(path, "old", mode=0o600)
    write_whole(path, "new", mode=0o600)

    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_file_written_once_stays_as_it_is(tmp_path: Path) -> None:
    """The first writer wins."""
    write_once(tmp_path / "file", "first")
    write_once(tmp_path / "file", "second")

    assert (tmp_path / "file").read_text() == "first"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    """No half-written file remains."""
    path = tmp_path / "file"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_lock_names_its_holder_and_times_out(tmp_path: Path) -> None:
    """Two commands take turns; the second one names the first."""
    path = tmp_path / "old.lock"
    script = (
        "import sys; from pathlib import Path\n"
        "from lab.foundation.files import locked; from lab.foundation.work import Work\n"
        "path = Path(sys.argv[1]); sys.argv[1:] = ['run', 'old']\n"
        "with locked(path, 'old', Work()): print(flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    events: list[Event] = []
    try:
        with (
            pytest.raises(BrokenEnvironment, match=f"'lab run old' .process {holder.pid}."),
            locked(path, "old", Work(events.append), bound_s=0.2),
        ):
            pytest.fail("the lock was given twice")
    finally:
        holder.communicate()

    assert isinstance(events[0], StepStarted)
    assert "waiting for 'lab run old'" in events[0].title
    with locked(path, "old", Work()):
        pass


def test_a_lock_of_a_killed_command_is_free(tmp_path: Path) -> None:
    """No file has to be removed by hand."""
    script = (
        "import sys, os, signal; from pathlib import Path\n"
        "from lab.foundation.files import locked; from lab.foundation.work import Work\n"
        "with locked(Path(sys.argv[1]), 'old', Work()): os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", script, tmp_path / "old.lock"], check=False)
    assert killed.returncode == -signal.SIGKILL

    with locked(tmp_path / "old.lock", "old", Work(), bound_s=0):
        pass


def test_too_little_disk_space_is_reported_with_figures(tmp_path: Path) -> None:
    """The check comes before any build."""
    with pytest.raises(BrokenEnvironment, match=r"\d+ MB free, 999999999 MB are needed"):
        require_space(tmp_path, 999_999_999)


def test_a_failed_program_shows_its_last_output(tmp_path: Path) -> None:
    """The error also names the full log."""
    log = tmp_path / "log"
    with pytest.raises(BrokenEnvironment, match="sh failed with exit status 3") as caught:
        process.run(["sh", "-c", "echo first; echo the cause >&2; exit 3"], work=Work(), log=log, bound_s=10)

    assert caught.value.hint == "its output: first | the cause"
    assert caught.value.evidence == log


@pytest.mark.parametrize("how", ["bound", "cancelled"])
def test_a_program_is_ended_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Nothing keeps running unnoticed, not even a process that ignores SIGTERM."""
    monkeypatch.setattr(process, "STOP_BOUND_S", 0.5)
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 300 & echo $! $$ >{pids}; wait; wait"
    work = Work()
    if how == "cancelled":
        threading.Timer(0.5, work.cancel).start()
    started = time.monotonic()
    with pytest.raises(Cancelled if how == "cancelled" else BrokenEnvironment):
        process.run(["sh", "-c", script], work=work, log=tmp_path / "log", bound_s=0.5 if how == "bound" else 60)

    assert time.monotonic() - started < 30
    ended = [int(pid) for pid in pids.read_text().split()]
    assert Work().wait_until(lambda: not any(psutil.pid_exists(pid) and alive(pid) for pid in ended), 60)


def alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not count."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_reused_process_id_is_never_taken_for_ours(tmp_path: Path) -> None:
    """Stopping a machine must not end another user's process."""
    stranger = os.getpid()

    assert not process.is_running(stranger, "file:/no/such/console.log")
    process.stop(stranger, "file:/no/such/console.log")
    pid = process.start(["sleep", "300"], log=tmp_path / "log", cwd=tmp_path)
    assert process.is_running(pid, "300")
    process.stop(pid, "300")
    assert not process.is_running(pid, "300")


def test_a_missing_program_is_named_with_its_package() -> None:
    """The error has a line that can be pasted."""
    with pytest.raises(BrokenEnvironment, match="nonsense is not installed") as caught:
        process.require("nonsense", "nonsense-tools")

    assert caught.value.hint == "install it: apt-get install --no-install-recommends nonsense-tools"


def test_a_program_can_clean_up_after_its_reader_stops(tmp_path: Path) -> None:
    """Its standard input is closed, and its end is awaited."""
    program = f"cd {tmp_path}; echo one; read -r _ || echo done >put-back"

    def leave_off() -> None:
        with process.stream(["sh", "-c", program], work=Work(), silence_s=10) as printed:
            assert printed.read(4) == b"one\n"
            raise Cancelled("stopped as you asked")

    with pytest.raises(Cancelled):
        leave_off()
    assert (tmp_path / "put-back").exists()


def test_a_program_that_fails_while_read_reports_its_output_once() -> None:
    """Seven parallel trials print the same message."""
    program = "echo early; for i in 1 2 3; do echo it is broken >&2; done; exit 3"
    with (
        pytest.raises(BrokenEnvironment) as failed,
        process.stream(["sh", "-c", program], work=Work(), silence_s=10) as printed,
    ):
        assert printed.read(6) == b"early\n"

    assert failed.value.message == "sh failed with exit status 3"
    assert failed.value.hint == "its output: it is broken"


def test_a_silent_program_is_ended_at_its_timeout() -> None:
    """No wait is endless and no process keeps running."""
    with (
        pytest.raises(BrokenEnvironment, match="no output"),
        process.stream(["sh", "-c", "read -r _"], work=Work(), silence_s=0.2) as printed,
    ):
        printed.read(1)
