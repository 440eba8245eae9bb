"""Files that are whole or not there, locks, and programs that are ended with all their children."""

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

from lab import process
from lab.errors import BrokenEnvironment, Cancelled
from lab.files import locked, require_space, write_once, write_whole
from lab.work import Event, StepStarted, Work


def test_a_file_is_replaced_whole_and_never_open_to_others(tmp_path: Path) -> None:
    """Readers see the old content or the new."""
    path = tmp_path / "deep" / "file"
    write_whole(path, "old", mode=0o600)
    write_whole(path, "new", mode=0o600)

    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_file_written_once_stays_as_it_is(tmp_path: Path) -> None:
    """The first wins."""
    write_once(tmp_path / "file", "first")
    write_once(tmp_path / "file", "second")

    assert (tmp_path / "file").read_text() == "first"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    """And nothing half written."""
    path = tmp_path / "file"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_lock_names_its_holder_and_is_given_up_at_its_bound(tmp_path: Path) -> None:
    """Two commands take turns; the second knows for whom it waits."""
    path = tmp_path / "old.lock"
    script = (
        "import sys; from pathlib import Path; from lab.files import locked; from lab.work import Work\n"
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
    """Nobody has to remove a file by hand."""
    script = (
        "import sys, os, signal; from pathlib import Path; from lab.files import locked; from lab.work import Work\n"
        "with locked(Path(sys.argv[1]), 'old', Work()): os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", script, tmp_path / "old.lock"], check=False)
    assert killed.returncode == -signal.SIGKILL

    with locked(tmp_path / "old.lock", "old", Work(), bound_s=0):
        pass


def test_too_little_space_is_said_with_figures(tmp_path: Path) -> None:
    """Before anything is built."""
    with pytest.raises(BrokenEnvironment, match=r"\d+ MB free, 999999999 MB are needed"):
        require_space(tmp_path, 999_999_999)


def test_a_program_that_fails_shows_its_last_words(tmp_path: Path) -> None:
    """And where all of them are."""
    log = tmp_path / "log"
    with pytest.raises(BrokenEnvironment, match="sh failed with exit status 3") as caught:
        process.run(["sh", "-c", "echo first; echo the cause >&2; exit 3"], work=Work(), log=log, bound_s=10)

    assert caught.value.hint == "it said: first | the cause"
    assert caught.value.evidence == log


@pytest.mark.parametrize("how", ["bound", "cancelled"])
def test_a_program_is_ended_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Nothing runs on behind the user's back, not even what ignores SIGTERM."""
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
    assert not any(psutil.pid_exists(int(pid)) and alive(int(pid)) for pid in pids.read_text().split())


def alive(pid: int) -> bool:
    """Tell a process that runs from one that only waits to be reaped."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_reused_process_id_is_never_taken_for_ours(tmp_path: Path) -> None:
    """Stopping a machine must not end a stranger."""
    stranger = os.getpid()

    assert not process.is_running(stranger, "file:/no/such/console.log")
    process.stop(stranger, "file:/no/such/console.log")
    pid = process.start(["sleep", "300"], log=tmp_path / "log", cwd=tmp_path)
    assert process.is_running(pid, "300")
    process.stop(pid, "300")
    assert not process.is_running(pid, "300")


def test_a_missing_program_is_named_with_its_package() -> None:
    """One line that can be pasted."""
    with pytest.raises(BrokenEnvironment, match="nonsense is not installed") as caught:
        process.require("nonsense", "nonsense-tools")

    assert caught.value.hint == "install it: apt-get install nonsense-tools"


def test_a_program_whose_reader_goes_away_can_put_back_what_it_changed(tmp_path: Path) -> None:
    """Its standard input ends then, and it is waited for."""
    program = f"cd {tmp_path}; echo one; read -r _ || echo done >put-back"

    def leave_off() -> None:
        with process.stream(["sh", "-c", program], work=Work(), silence_s=10) as printed:
            assert printed.read(4) == b"one\n"
            raise Cancelled("stopped as you asked")

    with pytest.raises(Cancelled):
        leave_off()
    assert (tmp_path / "put-back").exists()


def test_a_program_that_fails_while_it_is_read_is_told_with_its_last_words_once() -> None:
    """Seven trials say the same at the same time."""
    program = "echo early; for i in 1 2 3; do echo it is broken >&2; done; exit 3"
    with (
        pytest.raises(BrokenEnvironment) as failed,
        process.stream(["sh", "-c", program], work=Work(), silence_s=10) as printed,
    ):
        assert printed.read(6) == b"early\n"

    assert failed.value.message == "sh failed with exit status 3"
    assert failed.value.hint == "it said: it is broken"


def test_a_program_that_falls_silent_is_ended() -> None:
    """Nobody waits for ever, and nothing runs on."""
    with (
        pytest.raises(BrokenEnvironment, match="nothing came"),
        process.stream(["sh", "-c", "read -r _"], work=Work(), silence_s=0.2) as printed,
    ):
        printed.read(1)
