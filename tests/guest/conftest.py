"""Real guests in a separate lab."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab.foundation.errors import LabError
from lab.foundation.home import PROVISION, Home
from lab.foundation.work import Work
from lab.image import build
from lab.image.recipe import Recipe
from lab.provider.qemu_process import CONSOLE, text_of
from lab.provider.qmp import Monitor

COMMAND_BOUND_S = 1800

LONGEST = ("test_kernels", "test_vagrant", "test_warm", "test_documents", "test_login", "test_centos")
"""The files that take longest: first, so that the workers end at about the same time."""

# A shell ignores Ctrl-C in its background jobs, and their child processes inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test in this directory as needing guests and run it after the fast ones, long files first."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker("guest")
    items.sort(key=lambda item: item.path.is_relative_to(here) and 1 + (item.path.stem not in LONGEST))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failed test's report what every guest was doing: one that hangs is gone when the report is read."""
    report = yield
    if report.failed:
        doing = filter(None, map(_doing, psutil.process_iter(["name", "cmdline"])))
        report.sections.append(("Guests", "\n".join(doing)))
    return report


def _doing(process: psutil.Process) -> str:
    """Return the instruction pointers of a guest's processors, read twice, and the end of its console."""
    if "qemu-system" not in (process.info["name"] or ""):
        return ""
    lines = [" ".join(process.info["cmdline"][:3])]
    with suppress(LabError, OSError, psutil.Error):
        directory = Path(process.cwd())
        for _ in range(2):
            with Monitor(directory) as monitor:
                registers = monitor.ask("human-monitor-command", command_line="info registers -a")
            lines.append(" ".join(word for word in registers.split() if word.startswith(("CPU#", "RIP=", "HLT="))))
        lines += text_of(directory / CONSOLE).splitlines()[-5:]
    return "\n  ".join(lines)


@dataclass
class Done:
    """Result of a lab command."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401  as json.loads has it
        """Return its JSON document."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Account:
    """The user who runs the lab."""

    uid: int
    gid: int
    home: Path


@dataclass
class TestLab:
    """A lab in a separate directory, driven by its command line as a user drives it."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)
    account: Account | None = None
    directory: Path | None = None
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    __test__ = False

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a lab command."""
        # Tests use replicas unless they request another system, whatever this host's default is.
        own = {"LAB_HOME": str(self.home), "LAB_CONFIG": os.devnull}
        own |= {"LAB_PROVIDER": "qemu", "LAB_SYSTEM": "replica"}
        account: dict[str, Any] = {"cwd": self.directory}
        if self.account:
            own |= {"HOME": str(self.account.home), "XDG_RUNTIME_DIR": str(self.account.home / "run")}
            account = {"cwd": self.account.home}
            if os.geteuid() == 0:
                account |= {"user": self.account.uid, "group": self.account.gid, "extra_groups": []}
        environment = {**os.environ, **own, "COLUMNS": "120", **self.environment}
        process = subprocess.Popen(
            [sys.executable, "-m", "lab", *arguments],
            env=environment,
            **account,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def stop_all(self) -> None:
        """End every command that a failed test left running; it would keep its machines from being destroyed."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def run(self, *arguments: str) -> Done:
        """Run a lab command to its end with any exit status."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=COMMAND_BOUND_S)
        return Done(process.returncode, out, err)

    def well(self, *arguments: str) -> Done:
        """Run a lab command that must succeed."""
        result = self.run(*arguments)
        assert result.status == 0, f"lab {' '.join(arguments)}: {result.err}\n{result.out}"
        return result

    def ask(self, machine: str, line: str) -> str:
        """Return the output of a shell line in a machine; it must succeed."""
        return self.well("ssh", machine, "--", line).out

    def steps(self) -> str:
        """Return the log of all steps."""
        log = self.home / "lab.log"
        return log.read_text() if log.exists() else ""

    def guests(self) -> list[psutil.Process]:
        """Return the running QEMU processes of this lab."""
        return [
            process
            for process in psutil.process_iter(["name", "cmdline"])
            if "qemu-system" in (process.info["name"] or "")
            and any(str(self.home) in part for part in process.info["cmdline"] or [])
            and process.status() != psutil.STATUS_ZOMBIE
        ]


def wait_for(condition: Callable[[], object], bound_s: float = 60.0) -> None:
    """Wait until a condition holds; fail at the timeout."""
    deadline = time.monotonic() + bound_s
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.05)


def trials_of(cell: Path) -> list[Path]:
    """Return the directories of a cell's trials, in order."""
    return sorted(path for path in cell.iterdir() if path.is_dir())


def interrupt(process: subprocess.Popen[str]) -> Done:
    """Send Ctrl-C to a lab command and wait for its end."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return Done(process.returncode, out, err)


def _lab(lab: TestLab) -> Iterator[TestLab]:
    try:
        yield lab
    finally:
        lab.stop_all()
        lab.run("destroy", "--quiet")
        assert lab.guests() == []


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestLab]:
    """Return a lab with all three machines up. Tests that share it leave them running and provisioned."""
    for lab in _lab(TestLab(tmp_path_factory.mktemp("lab"))):
        lab.well("up")
        yield lab


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[TestLab]:
    """Return a lab without machines, for tests that break them."""
    yield from _lab(TestLab(tmp_path / "lab"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestLab]:
    """Return a lab without machines, shared by a file's tests."""
    yield from _lab(TestLab(tmp_path_factory.mktemp("shared")))


@pytest.fixture(scope="session")
def ordinary_user() -> Iterator[Account]:
    """Return a user with an empty home: libvirt's session mode is not for root.

    When the tests run as root, the user is created and later removed with all processes and files.
    """
    # Not below pytest's directory, which only its owner can enter; short, because it will contain sockets.
    home = Path(tempfile.mkdtemp(prefix="lab-"))
    (home / "run").mkdir(mode=0o700)
    if os.geteuid() != 0:
        try:
            yield Account(os.geteuid(), os.getegid(), home)
        finally:
            shutil.rmtree(home)
        return
    name = f"lab-test-{os.getpid()}"
    subprocess.run(["useradd", "--no-create-home", "--home-dir", home, "--user-group", name], check=True)
    entry = pwd.getpwnam(name)
    try:
        subprocess.run(["chown", "-R", f"{name}:", home], check=True)
        readable = subprocess.run(
            [sys.executable, "-c", "import lab"], user=entry.pw_uid, group=entry.pw_gid, cwd=home, check=False
        )
        assert readable.returncode == 0, "the checkout must be readable for other users"
        yield Account(entry.pw_uid, entry.pw_gid, home)
    finally:
        # libvirt's session daemons end by themselves only after minutes; only these tests use this user.
        for process in psutil.process_iter(["uids"]):
            if process.info["uids"] and process.info["uids"].real == entry.pw_uid:
                process.kill()
                process.wait(10)
        subprocess.run(["userdel", name], check=True)
        shutil.rmtree(home)


@pytest.fixture
def vagrant(ordinary_user: Account) -> Iterator[TestLab]:
    """Return a lab without machines that brings replicas up by Vagrant, as an ordinary user."""
    yield from _by_vagrant(ordinary_user, "lab")


@pytest.fixture(scope="module")
def vagrant_running(ordinary_user: Account) -> Iterator[TestLab]:
    """Return a lab with old and new up by Vagrant. Tests that share it leave them running and provisioned."""
    for lab in _by_vagrant(ordinary_user, "shared"):
        lab.well("up", "old", "new")
        yield lab


def _by_vagrant(user: Account, name: str) -> Iterator[TestLab]:
    """Return an ordinary user's lab that already has the guest image: a build would take two minutes."""
    cache = user.home / "cache"
    image = build.ensure(Recipe.from_environment(PROVISION), Home.from_environment().cache, Work())
    if not cache.exists():
        (cache / "images").mkdir(parents=True)
        subprocess.run(["cp", "-a", "--sparse=always", image.path, cache / "images"], check=True)
        subprocess.run(["chown", "-R", f"{user.uid}:{user.gid}", cache], check=True)
    environment = {
        "LAB_CACHE": str(cache),
        "LAB_PROVIDER": "vagrant",
        "LAB_HYPERVISOR": "libvirt-session",
        "LAB_CONFIG": os.devnull,
    }
    yield from _lab(TestLab(user.home / name, environment, user))
