"""Layout of a lesson's text: it fits, nothing is lost, and the decisive part is marked with and without styles."""

from __future__ import annotations

import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType
from rich.table import Table

from lab.foundation.language import Language
from lab.lesson.classroom import Asked, Expectation, Menu, Prose, ShownOutput
from lab.lesson.marks import GAP, MarkedLine, marked, shortened
from lab.present.text import classroom
from lab.present.text.classroom import Page
from lab.present.text.narrow import FittingTable
from lab.present.text.wrapping import breaks, columns

NO_LINE_BEGINS_WITH = "，。、；：？！）》”"


def printed(renderable: RenderableType, width: int, *, laid_out: bool = True) -> list[str]:
    """Return the lines that a terminal without styles would show, wrapped where they are not laid out yet."""
    page = Console(file=io.StringIO(), width=width, highlight=False)
    with page.capture() as captured:
        page.print(renderable, crop=False, soft_wrap=laid_out)
    return captured.get().rstrip("\n").split("\n")


def parts(text: str, first: int, rest: int) -> list[str]:
    """Return the wrapped parts of a text."""
    edges = [0, *breaks(text, first, rest), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


TEXT = st.text(st.sampled_from("ab ,.路上的报文，。（）“”⋯⚠"), max_size=120)


@given(text=TEXT, first=st.integers(4, 40), rest=st.integers(4, 40))
def test_wrapped_text_is_complete_and_fits(text: str, first: int, rest: int) -> None:
    """This holds for any text and width; trailing spaces do not count."""
    pieces = parts(text, first, rest)

    assert "".join(pieces) == text
    for number, part in enumerate(pieces):
        assert columns(part.rstrip()) <= (rest if number else first), pieces


def test_chinese_wraps_between_characters_but_not_before_punctuation() -> None:
    """This is the typesetting rule."""
    text = "一次 sendmmsg 发出两个查询，读到一个应答，然后将近五秒什么也没来；重问之后，两个都有了应答（见上）。"
    for width in range(10, 60):
        pieces = parts(text, width, width)
        assert not [part for part in pieces[1:] if part[0] in NO_LINE_BEGINS_WITH], width
        assert not [part for part in pieces if part.endswith("（")], width


@pytest.mark.parametrize("width", [24, 40, 80])
@pytest.mark.parametrize("language", Language)
def test_everything_fits_on_a_narrow_terminal(width: int, language: Language) -> None:
    """Classes also use terminals as narrow as a phone."""
    page = Page(language, width, marks_in_text=True)
    line = '376   1795632458.646036 sendto(7, "\\0r\\1\\0\\3www\\3lab\\4test\\0\\0\\34\\0\\1", 30, NULL, 0) = 30'
    pieces = [
        classroom.part(ShownOutput(marked([line * 5, line, ""], [r"test\\0(\\0\\34)"])), page),
        classroom.part(
            Prose("第一段：`__nf_conntrack_confirm` 返回 0。\n\n- an item which is longer than the line"), page
        ),
        classroom.part(Expectation("a wait of almost five seconds ends in a timeout", holds=False), page),
        classroom.question(Asked(Menu.TOOLS, ("conntrack 的计数器 (`conntrack -S`)",), 1), page),
    ]
    for part in pieces:
        for row in printed(part, width):
            assert columns(row) <= width, row


def test_the_decisive_part_is_marked_without_styles() -> None:
    """In piped output the marks are on the line below."""
    page = Page(Language.ENGLISH, 60, marks_in_text=True)
    rows = printed(
        classroom.part(ShownOutput(marked(["cpu=0\tinsert_failed=1 drop=0"], [r"insert_failed=\d"])), page), 60
    )

    assert rows[0].startswith("▶ cpu=0   insert_failed=1")
    assert rows[1] == "│         ^^^^^^^^^^^^^^^"


def test_marks_line_up_below_wide_characters() -> None:
    """A mark under the wrong word would mislead."""
    page = Page(Language.CHINESE, 60, marks_in_text=True)
    rows = printed(classroom.part(ShownOutput(marked(["报文丢失"], ["丢失"])), page), 60)

    assert rows == ["▶ 报文丢失", "│     ^^^^"]


def test_overlapping_marks_are_merged() -> None:
    """A regular expression's groups mark only what they match."""
    (line,) = marked(["confirm: ret=0 ret=1"], ["ret=0", "t=0 r", r"(con)firm"])

    assert line.parts == (("con", True), ("firm: ", False), ("ret=0 r", True), ("et=1", False))


@given(
    text=st.text(min_size=60, max_size=400),
    start=st.integers(0, 390),
    length=st.integers(1, 10),
)
def test_a_long_line_is_shortened_around_its_decisive_part(text: str, start: int, length: int) -> None:
    """The marked part is never omitted, and omissions are visible."""
    start = min(start, len(text) - length)
    line = MarkedLine(text=text, spans=((start, start + length),))
    short = shortened(line, longest=50, around=5, head=10)

    (span,) = short.spans
    assert short.text[span[0] : span[1]] == text[start : start + length]
    assert short.text.startswith(text[:10])
    assert len(short.text) < len(text) or short.text.count(GAP) == text.count(GAP) + 1


def table(headers: bool) -> Table:  # noqa: FBT001
    """Return a table of machines."""
    content = FittingTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=headers)
    content.add_column("machine", no_wrap=True)
    content.add_column("kernel", no_wrap=True)
    content.add_column("text", overflow="fold")
    content.add_row("  old (replica)", "6.1.0-56-cloud-amd64", "it took five seconds, as it waited for a timeout")
    return content


@pytest.mark.parametrize("headers", [True, False])
@pytest.mark.parametrize("width", [30, 40, 60, 67, 80])
def test_a_table_never_loses_a_word(width: int, headers: bool) -> None:  # noqa: FBT001
    """Columns are side by side if they fit, else stacked, and never truncated."""
    rows = printed(table(headers), width, laid_out=False)

    assert max(columns(row.rstrip()) for row in rows) <= width
    text = " ".join(" ".join(rows).split())
    assert "old (replica)" in text
    assert "6.1.0-56-cloud-amd64" in text
    assert "…" not in text
    if width == 80:
        assert len(rows) == 1 + headers + (columns("it took five seconds, as it waited for a timeout") > 39)
