"""What a lesson says, laid out: it fits, nothing is lost, and the telling part is marked with and without styles."""

from __future__ import annotations

import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType
from rich.table import Table

from lab.language import Language
from lab.lesson.classroom import Asked, Checked, Menu, Output, Told
from lab.lesson.marks import GAP, MarkedLine, marked, shortened
from lab.report import lesson_text
from lab.report.lesson_text import Page
from lab.report.narrow import FittingTable
from lab.report.wrapping import breaks, columns

NO_LINE_BEGINS_WITH = "，。、；：？！）》”"


def printed(renderable: RenderableType, width: int, *, laid_out: bool = True) -> list[str]:
    """Give the lines that a terminal without styles would have; what is not laid out yet, it breaks itself."""
    page = Console(file=io.StringIO(), width=width, highlight=False)
    with page.capture() as captured:
        page.print(renderable, crop=False, soft_wrap=laid_out)
    return captured.get().rstrip("\n").split("\n")


def parts(text: str, first: int, rest: int) -> list[str]:
    """Give the parts of a text, broken."""
    edges = [0, *breaks(text, first, rest), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


TEXT = st.text(st.sampled_from("ab ,.路上的报文，。（）“”⋯⚠"), max_size=120)


@given(text=TEXT, first=st.integers(4, 40), rest=st.integers(4, 40))
def test_nothing_is_lost_and_every_part_fits(text: str, first: int, rest: int) -> None:
    """Whatever the text and the width; spaces at a part's end do not count."""
    found = parts(text, first, rest)

    assert "".join(found) == text
    for number, part in enumerate(found):
        assert columns(part.rstrip()) <= (rest if number else first), found


def test_chinese_is_broken_between_characters_but_not_before_punctuation() -> None:
    """As it is set."""
    text = "一次 sendmmsg 发出两个查询，读到一个应答，然后将近五秒什么也没来；重问之后，两个都有了应答（见上）。"
    for width in range(10, 60):
        found = parts(text, width, width)
        assert not [part for part in found[1:] if part[0] in NO_LINE_BEGINS_WITH], width
        assert not [part for part in found if part.endswith("（")], width


@pytest.mark.parametrize("width", [24, 40, 80])
@pytest.mark.parametrize("language", Language)
def test_everything_fits_on_a_narrow_terminal(width: int, language: Language) -> None:
    """Phone-wide terminals are used in classes, too."""
    page = Page(language, width, marks_in_text=True)
    line = '376   1795632458.646036 sendto(7, "\\0r\\1\\0\\3www\\3lab\\4test\\0\\0\\34\\0\\1", 30, NULL, 0) = 30'
    said = [
        lesson_text.part(Output(marked([line * 5, line, ""], [r"test\\0(\\0\\34)"])), page),
        lesson_text.part(
            Told("第一段：`__nf_conntrack_confirm` 返回 0。\n\n- an item which is longer than the line"), page
        ),
        lesson_text.part(Checked("a wait of almost five seconds ends in a timeout", holds=False), page),
        lesson_text.question(Asked(Menu.TOOLS, ("conntrack 的计数器 (`conntrack -S`)",), 1), page),
    ]
    for part in said:
        for row in printed(part, width):
            assert columns(row) <= width, row


def test_the_telling_part_is_marked_where_there_are_no_styles() -> None:
    """Piped, the marks stand below it."""
    page = Page(Language.ENGLISH, 60, marks_in_text=True)
    rows = printed(lesson_text.part(Output(marked(["cpu=0\tinsert_failed=1 drop=0"], [r"insert_failed=\d"])), page), 60)

    assert rows[0].startswith("▶ cpu=0   insert_failed=1")
    assert rows[1] == "│         ^^^^^^^^^^^^^^^"


def test_the_telling_part_is_marked_below_wide_characters_too() -> None:
    """A mark under the wrong word would mislead."""
    page = Page(Language.CHINESE, 60, marks_in_text=True)
    rows = printed(lesson_text.part(Output(marked(["报文丢失"], ["丢失"])), page), 60)

    assert rows == ["▶ 报文丢失", "│     ^^^^"]


def test_marks_that_overlap_are_one() -> None:
    """And groups mark what they find alone."""
    (line,) = marked(["confirm: ret=0 ret=1"], ["ret=0", "t=0 r", r"(con)firm"])

    assert line.parts == (("con", True), ("firm: ", False), ("ret=0 r", True), ("et=1", False))


@given(
    text=st.text(min_size=60, max_size=400),
    start=st.integers(0, 390),
    length=st.integers(1, 10),
)
def test_a_long_line_is_shortened_around_its_telling_part(text: str, start: int, length: int) -> None:
    """What is marked is never left out, and what is left out is marked as such."""
    start = min(start, len(text) - length)
    line = MarkedLine(text=text, spans=((start, start + length),))
    short = shortened(line, longest=50, around=5, head=10)

    (span,) = short.spans
    assert short.text[span[0] : span[1]] == text[start : start + length]
    assert short.text.startswith(text[:10])
    assert len(short.text) < len(text) or short.text.count(GAP) == text.count(GAP) + 1


def table(headers: bool) -> Table:  # noqa: FBT001
    """Give a table of machines."""
    made = FittingTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=headers)
    made.add_column("machine", no_wrap=True)
    made.add_column("kernel", no_wrap=True)
    made.add_column("told", overflow="fold")
    made.add_row("  old (replica)", "6.1.0-56-cloud-amd64", "it took five seconds, as it waited for a timeout")
    return made


@pytest.mark.parametrize("headers", [True, False])
@pytest.mark.parametrize("width", [30, 40, 60, 67, 80])
def test_a_table_never_loses_a_word(width: int, headers: bool) -> None:  # noqa: FBT001
    """Side by side where it fits, below each other where it does not, and never cut off."""
    rows = printed(table(headers), width, laid_out=False)

    assert max(columns(row.rstrip()) for row in rows) <= width
    said = " ".join(" ".join(rows).split())
    assert "old (replica)" in said
    assert "6.1.0-56-cloud-amd64" in said
    assert "…" not in said
    if width == 80:
        assert len(rows) == 1 + headers + (columns("it took five seconds, as it waited for a timeout") > 39)
