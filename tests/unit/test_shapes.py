"""Messages on a terminal, in the reader's language."""

from __future__ import annotations

import ast
import io
from pathlib import Path

import pytest
from rich.console import Console

from lab.cli.detail import Detail
from lab.cli.progress import Progress
from lab.foundation import extraction
from lab.foundation.language import Language
from lab.foundation.shapes import translator
from lab.foundation.work import Note, StepEnded
from tests.command_line import lab

CHINESE = translator(Language.CHINESE)


def messages(source: str, **options: str) -> list[str]:
    """Return the messages that are extracted from a source."""
    return [message for _, _, message, _ in extraction.extract(io.BytesIO(source.encode()), {}, (), options)]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('work.step("halting", name)', ["halting"]),
        ('work.note(f"kernel {release} runs: {why}")', ["kernel {0} runs: {1}"]),
        ('raise BadInput(f"no {kind}{name}", hint="see it" if hint else None)', ["no {0}", "see it"]),
        ('raise UnreadableError("cut off")', ["cut off"]),
        ('table = fitting("trial", "outcome")', ["trial", "outcome"]),
        ('work.note(f"{one}: {other}")', []),
        ('print("not for the terminal")', []),
        ('def f():\n    return "a reason"', []),
    ],
)
def test_a_message_that_the_translators_do_not_get(source: str, found: list[str]) -> None:
    """What is not extracted stays English in a Chinese session."""
    ast.parse(source)
    assert messages(source) == found


def test_a_reason_that_the_translators_do_not_get() -> None:
    """Where a module's functions return messages, all of them are extracted."""
    source = 'def f():\n    return Outcome.X, f"it took {time}"'
    assert messages(source, returns="yes") == ["it took {0}"]


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("halting", "关机"),
        ("booting kernel 6.1.0", "启动内核 6.1.0"),
        ("it boots: its saved state was made with a different kernel", "改为重新启动：保存状态时用的是另一套 内核"),
        ("VirtualBox is not installed; libvirt is not installed", "没有安装 VirtualBox；没有安装 libvirt"),
        ("no run is called 'none'; none is stored yet", "没有名为 “none” 的运行；还没有存下任何运行"),
        (
            "old: CentOS 7.0 (3.10.0-123), by vagrant: it is not installed",
            "old：CentOS 7.0（3.10.0-123），由 vagrant 提供：没有安装 it",
        ),
        ("words of another program", "words of another program"),
        ("", ""),
    ],
)
def test_a_message_that_is_not_translated_whole(english: str, chinese: str) -> None:
    """A message is translated with its fields; a text without a translation stays."""
    assert CHINESE.text(english) == chinese
    assert translator(Language.ENGLISH).text(english) == english


def test_a_long_text_is_not_searched_for_messages() -> None:
    """The output of a program may be of any length."""
    text = "run " + "a" * 100_000
    assert CHINESE.text(text) == text


def test_progress_that_stays_english_in_a_chinese_session() -> None:
    """Steps and notes come from everywhere in the lab; the terminal translates them."""
    out = io.StringIO()
    progress = Progress(Console(file=out, width=100), detail=Detail.NORMAL, language=Language.CHINESE)
    progress(StepEnded("saving its state", "old", 1.0, "done"))
    progress(Note("the guest image has changed: recreating its disk", "old"))
    assert out.getvalue() == "old: ✓ 保存它的状态  1.0 s\nold: 虚拟机镜像变了：重新创建它的磁盘\n"


def test_a_table_or_an_error_that_stays_english_in_a_chinese_session(tmp_path: Path) -> None:
    """The session's language is LAB_LANGUAGE, before the locale; programs read English."""
    assert lab(tmp_path, "status", LAB_LANGUAGE="zh").stdout.split()[:3] == ["机器", "状态", "由"]
    assert lab(tmp_path, "status", LANG="zh_CN.UTF-8").stdout.split()[:3] == ["机器", "状态", "由"]
    assert lab(tmp_path, "status", LAB_LANGUAGE="en", LANG="zh_CN.UTF-8").stdout.split()[0] == "machine"
    assert '"state": "absent"' in lab(tmp_path, "status", "--json", LAB_LANGUAGE="zh").stdout
    done = lab(tmp_path, "show", "none", LAB_LANGUAGE="zh")
    assert (done.returncode, done.stderr) == (
        2,
        "lab: 没有名为 “none” 的运行；还没有存下任何运行\n",
    )
