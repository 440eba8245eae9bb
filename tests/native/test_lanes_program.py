"""The program that runs trials, in namespaces of this host: what it leaves of a client, and when it is written."""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.foundation.home import PROVISION
from lab.runs import trial_stream
from lab.runs.trial_stream import Ended

NEEDED = ("/proc/net/stat/nf_conntrack", "/dev/kmsg")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
    pytest.mark.skipif(not all(map(os.path.exists, NEEDED)), reason=f"this host lacks one of {', '.join(NEEDED)}"),
]

LANES = 3

# In mount and network namespaces that end with the command.
_SET_UP = f"""
mount -t tmpfs none /run
mkdir -p /run/netns /run/lab/scenario/raw
echo common >/run/lab/scenario/raw/resolv.conf
for lane in $(seq 0 {LANES - 1}); do
	mkdir /run/lab/lab-lane$lane
	ip netns add lab-lane$lane
done
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build lanes outside of the source directory, with warnings as errors."""
    directory = tmp_path_factory.mktemp("lanes")
    shutil.copytree(PROVISION / "lanes", directory, dirs_exist_ok=True)
    subprocess.run(["make", "-s", "-C", directory, "clean"], check=True)
    subprocess.run(["make", "-s", "-C", directory], check=True, env=os.environ | {"CFLAGS": "-Werror"})
    return directory / "lanes"


def stream(program: Path, *arguments: str, before: str = "") -> bytes:
    """Run trials and return their archive, also of trials whose end failed."""
    command = shlex.join([str(program), "trials", *arguments])
    inside = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "sh", "-euc"]
    run = [*inside, f"{_SET_UP}\n{before}\n{command}"]
    return subprocess.run(run, capture_output=True, timeout=60, check=False).stdout


def ended(archive: bytes) -> dict[int, dict[str, bytes]]:
    """Return the files of each trial that has ended."""
    trials = trial_stream.read(io.BytesIO(archive))
    return {trial.number: dict(trial.files) for trial in trials if isinstance(trial, Ended)}


def test_each_trial_has_its_own_clients_files(program: Path) -> None:
    """More trials than lanes: what one client printed must not remain for the next one."""
    client = ("sh", "-c", "ip netns identify $$ >&2; echo $$")
    trials = ended(stream(program, "--lanes", str(LANES), "--first", "5", "--count", "7", *client))

    assert sorted(trials) == list(range(5, 12))
    assert len({files["client.json"] for files in trials.values()}) == 7
    assert {files["client.err"].strip() for files in trials.values()} <= {b"lab-lane0", b"lab-lane1", b"lab-lane2"}
    assert {files["client.status"] for files in trials.values()} == {b"0\n"}
    assert {files["resolv.conf"] for files in trials.values()} == {b"common\n"}


def test_a_client_without_timings_is_timed_as_a_whole(program: Path) -> None:
    """Its own output is not one."""
    client = ("--bound", "20", "--timed", "sleeper", "sh", "-c", "echo noise; sleep 0.3; exit 7")
    (files,) = ended(stream(program, "--lanes", "1", "--first", "1", "--count", "1", *client)).values()

    timing = json.loads(files["client.json"])
    assert (timing["client"], timing["whole_program"]) == ("sleeper", True)
    assert timing["lookup_s"] >= 0.3
    assert files["client.status"] == b"7\n"


def test_a_client_that_hangs_is_ended_with_its_children(program: Path) -> None:
    """As by timeout(1), also if it ignores SIGTERM; otherwise the batch would never end."""
    client = ("--bound", "1", "sh", "-c", "trap '' TERM; sleep 50 & wait; sleep 50")
    (files,) = ended(stream(program, "--lanes", "1", "--first", "1", "--count", "1", *client)).values()

    assert files["client.status"] == b"124\n"


@pytest.mark.parametrize("bound", [(), ("--bound", "20")])
def test_a_client_that_cannot_start_or_dies_has_the_status_of_a_shell(program: Path, bound: tuple[str, ...]) -> None:
    """The host reports both as failures of the trial, not as a slow lookup."""
    one = ("--lanes", "1", "--first", "1", "--count", "1", *bound)
    (missing,) = ended(stream(program, *one, "no-such-client")).values()
    (dead,) = ended(stream(program, *one, "sh", "-c", "kill -SEGV $$")).values()

    assert missing["client.status"] == b"3\n"
    assert b"no-such-client" in missing["client.err"]
    assert dead["client.status"] == b"139\n"


def test_a_batch_that_dies_keeps_its_finished_trials(program: Path) -> None:
    """The third client ends the program: what the first two have left is written by then."""
    count = "echo x >>/run/count; [ $(wc -l </run/count) -lt 3 ] || kill -KILL $PPID; echo done"
    archive = stream(program, "--lanes", "1", "--first", "1", "--count", "9", "sh", "-c", count)

    assert set(ended(archive)) == {1, 2}
