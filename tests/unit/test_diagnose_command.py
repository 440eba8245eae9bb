"""`lab diagnose` on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
def test_exit_status_and_json_agree_with_the_sentence(
    tmp_path: Path, files: list[Path], status: int, answer: str, cause: str | None
) -> None:
    """A script that scans many machines' files relies on both."""
    result = lab(tmp_path, "diagnose", "--json", *map(str, files))

    document = json.loads(result.stdout)
    assert result.returncode == status
    assert (document["answer"], document["cause"]) == (answer, cause)
    assert {each["file"] for each in document["files"]} == {str(path) for path in files}


def test_the_answer_names_its_lines_and_what_to_collect(tmp_path: Path) -> None:
    """Commands are never wrapped, however narrow the terminal is, because users copy them."""
    result = lab(tmp_path, "diagnose", str(STALLED / "client.pcap"))

    assert result.returncode == 0
    assert result.stdout.startswith("It fits this bug: the A query (id 17086) went out, and")
    assert "client.pcap, packet 5" in result.stdout.replace("\n", "")
    assert "strace -f -ttt -s 600 -e trace=network,poll,ppoll,read,write,close,dup -o lookup.strace" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "which files?"),
        (["/nonexistent"], "/nonexistent cannot be read: No such file or directory"),
        ([str(EVIDENCE / "expected.json")], "expected.json cannot be read: nothing in it is recognised"),
        ([str(EVIDENCE / "expected.json"), "/nonexistent"], ", and 1 more file"),
    ],
)
def test_an_unusable_file_is_a_one_line_error(tmp_path: Path, arguments: list[str], named: str) -> None:
    """Exit status 2, empty standard output, no traceback."""
    result = lab(tmp_path, "diagnose", "--quiet", *arguments)

    assert result.returncode == 2
    assert result.stdout == ""
    assert named in result.stderr.splitlines()[0]


def test_an_unknown_file_is_named_and_the_others_are_judged(tmp_path: Path) -> None:
    """Users pass everything they have, by a shell pattern."""
    result = lab(
        tmp_path, "diagnose", "--quiet", str(STALLED / "client.pcap"), str(EVIDENCE / "expected.json"), "/nonexistent"
    )

    assert result.returncode == 0
    assert result.stdout.startswith("It fits this bug")
    output = " ".join(result.stdout.split())
    assert "expected.json was left out: nothing in it is recognised" in output
    assert "/nonexistent was left out: No such file or directory" in output


def test_a_directory_is_read_and_its_unknown_files_are_counted(tmp_path: Path) -> None:
    """A support archive has hundreds of other files."""
    result = lab(tmp_path, "diagnose", "--quiet", "--json", str(STALLED))

    document = json.loads(result.stdout)
    assert (document["answer"], document["certain"]) == ("this bug", True)
    assert any("of its files have no content that is recognised" in warning for warning in document["warnings"])


def test_diagnose_writes_no_files(tmp_path: Path) -> None:
    """It runs on other people's machines and must leave nothing there."""
    home = tmp_path / "home"

    for files in ([str(STALLED / "client.pcap")], ["/nonexistent"], []):
        lab(home, "diagnose", *files)

    assert not home.exists()
    assert list(tmp_path.iterdir()) == []


def test_control_characters_are_not_printed(tmp_path: Path) -> None:
    """Files, and even their names, may come from strangers."""
    log = tmp_path / "a\x1b[2J\u202eb"
    log.write_text("[ 1.000000] nf_conntrack: table full, dropping packet \x1b]0;title\x07\x9b31m\r\n", "utf-8")

    result = lab(tmp_path / "home", "diagnose", str(log))

    assert "conntrack's table is full" in result.stdout
    output = result.stdout + result.stderr
    assert not {character for character in output if not character.isprintable()} - {"\n"}


def test_json_has_the_next_command_and_the_remedies(tmp_path: Path) -> None:
    """Programs write tickets from it."""
    document = json.loads(lab(tmp_path, "diagnose", "--json", str(STALLED / "client.pcap")).stdout)

    assert document["machine"] == "host"
    assert document["next"]["commands"]
    assert "nfqueue-single-request-reopen" in {remedy["scenario"] for remedy in document["remedies"]}


def test_sample_files_get_the_answers_in_their_names(tmp_path: Path) -> None:
    """Users first try a tool on an example with a known answer."""
    samples = tmp_path / "samples"

    result_of_samples = lab(tmp_path / "home", "diagnose", "--example", str(samples))
    again = lab(tmp_path / "home", "diagnose", "--example", str(samples))

    assert (result_of_samples.returncode, again.returncode) == (0, 0)
    assert f"lab diagnose {samples}/pod" in result_of_samples.stdout
    answers = {
        name: json.loads(lab(tmp_path / "home", "diagnose", "--json", str(samples / name)).stdout)["answer"]
        for name in ("this-bug", "this-bug/dns.pcap", "pod", "pod/pod.pcap", "another-cause")
    }
    assert answers == {
        "this-bug": "this bug",
        "this-bug/dns.pcap": "this bug",
        "pod": "this bug",
        "pod/pod.pcap": "cannot tell",
        "another-cause": "another cause",
    }


def test_an_existing_file_is_not_overwritten_by_a_sample(tmp_path: Path) -> None:
    """The existing file may be evidence."""
    mine = tmp_path / "samples" / "this-bug" / "dns.pcap"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")

    result = lab(tmp_path / "home", "diagnose", "--example", str(tmp_path / "samples"))

    assert result.returncode == 2
    assert mine.read_text() == "mine"
    assert [path for path in (tmp_path / "samples").rglob("*") if path.is_file()] == [mine]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_full_disk_is_a_one_line_error(tmp_path: Path, options: list[str]) -> None:
    """Redirecting the answer onto a full disk once ended in a traceback."""
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [sys.executable, "-m", "lab", "diagnose", "--quiet", *options, str(IGNORED / "client.pcap")],
            env={**os.environ, "LAB_HOME": str(tmp_path)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )

    assert (result.returncode, result.stderr) == (3, "lab: the result cannot be written: No space left on device\n")
