"""`lab diagnose` as people type it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command_line import lab

EVIDENCE = Path(__file__).parents[1] / "evidence"
STALLED = EVIDENCE / "3.10.0-123.el7" / "1"
HEALTHY = EVIDENCE / "3.10.0-1127.el7" / "1"
IGNORED = EVIDENCE / "other-causes" / "server-ignores-aaaa"


@pytest.mark.parametrize(
    ("files", "status", "answer", "cause"),
    [
        ([STALLED / "client.pcap", STALLED / "curl.strace"], 0, "this bug", "clash"),
        ([IGNORED / "client.pcap"], 0, "another cause", "no_answer"),
        ([HEALTHY / "client.pcap", HEALTHY / "stat.before", HEALTHY / "stat.after"], 1, "cannot tell", None),
    ],
)
def test_the_exit_status_and_json_tell_what_the_sentence_says(
    tmp_path: Path, files: list[Path], status: int, answer: str, cause: str | None
) -> None:
    """A script that looks through many machines' files reads these."""
    done = lab(tmp_path, "diagnose", "--json", *map(str, files))

    said = json.loads(done.stdout)
    assert done.returncode == status
    assert (said["answer"], said["cause"]) == (answer, cause)
    assert {each["file"] for each in said["files"]} == {str(path) for path in files}


def test_the_answer_names_its_lines_and_what_to_collect(tmp_path: Path) -> None:
    """Commands are whole on one line however narrow the terminal is, since people copy them."""
    done = lab(tmp_path, "diagnose", str(STALLED / "client.pcap"))

    assert done.returncode == 0
    assert done.stdout.startswith("It fits this bug: the A query (id 17086) went out, and")
    assert "client.pcap, packet 5" in done.stdout.replace("\n", "")
    assert "strace -f -ttt -s 600 -e trace=network,poll,ppoll,read,write,close,dup -o lookup.strace" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "which files?"),
        (["/nonexistent"], "/nonexistent cannot be read: No such file or directory"),
        ([str(STALLED)], "is a directory"),
        ([str(STALLED / "client.pcap"), str(STALLED / "curl.json")], "curl.json is nothing that is known here"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(tmp_path: Path, arguments: list[str], named: str) -> None:
    """Exit status 2, nothing on standard output, no traceback."""
    done = lab(tmp_path, "diagnose", "--quiet", *arguments)

    assert done.returncode == 2
    assert done.stdout == ""
    assert named in done.stderr.splitlines()[0]
