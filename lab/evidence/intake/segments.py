"""Sorts the lines of a text by kind of evidence, so that a file may contain several kinds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from lab.evidence.intake import prefixes
from lab.evidence.intake.text import Lines, tidy

JOINED_MAX = 16
"""Maximum number of lines to join; mail programs wrap a strace line with two queries into so many."""

MISSES_MAX = 20_000
"""After this many lines of no kind only prefixes that occurred before are tried."""

UNKNOWN_MAX = 300_000
"""Maximum number of lines of no kind; a text with more is something else, such as a web server's log."""

JOINED_BYTES = 1 << 14
"""Maximum length of a joined line, in bytes."""


def _never(_line: str) -> bool:
    return False


@dataclass(frozen=True)
class Kind:
    """One kind of evidence, defined by predicates on single lines.

    Attributes:
        name: Its name.
        claims: Returns whether a line is of this kind.
        begins: Returns whether a line may be the beginning of a wrapped line.
        whole: Returns whether a line is complete; None for a kind whose lines are not joined.
        ends: Returns whether a line of no kind is the wrapped end of the preceding line.
        cuts: Whether a claimed line may still be incomplete.
        splits: Whether a shell prompt between two lines separates two items of this kind.
    """

    name: str
    claims: Callable[[str], bool]
    begins: Callable[[str], bool] = _never
    whole: Callable[[str], bool] | None = None
    ends: Callable[[str], bool] = _never
    cuts: bool = False
    splits: bool = False


@dataclass(frozen=True)
class InputLine:
    """One line, or several that were joined.

    Attributes:
        number: The number of its first line in the file, from 1.
        last: The number of its last line.
        text: The text without prefixes.
    """

    number: int
    last: int
    text: str


@dataclass(frozen=True)
class UnreadLines:
    """A range of lines of no known kind: first and last number, and the first line's text."""

    first: int
    last: int
    text: str


_NOISE = re.compile(
    r"\s*(?:--|-{3,}|={3,}|\^C|`{3}\w*|~{3}|\.{3}|\[\.{3}\]|Terminated|Killed|logout|exit|"
    r"tcpdump: .*|dropped privs to .*|listening on .*|reading from file .*|Capturing on .*|"
    r"\d+ packets? (?:captured|received by filter|dropped by (?:kernel|interface)).*|\d+ packets? captured|"
    r"(?:strace: )?Process \d+ .*|strace: .*|conntrack v\d.*|-- (?:Logs begin|Journal begins|Boot|No entries|Reboot).*|"
    r"Server:\s.*|Address(?:es)?:\s.*|Name:\s.*|Non-authoritative answer:|[\d.]{7,15} +(?:STREAM|DGRAM|RAW)\b.*|"
    r"user\s+\d+m?[\d.,]+s?|sys\s+\d+m?[\d.,]+s?|# HELP .*|# TYPE .*|#kernel|command terminated with exit code \d+)\s*"
)
"""Lines that tools print around their output, and that users add around it."""

_PROMPT = re.compile(
    r"(?:\[?[\w.-]{1,64}@[\w.-]{1,255}[: ]?[^\]#$%]{0,255}\]?\s?[#$%]|(?:ba)?sh-\d[\d.]{0,8}[#$]|"
    r"[~/]\S{0,255} [#$]|[#$%]|PS [A-Z]:\\[^>]{0,255}>|[A-Z]:\\[^>]{0,255}>)(?:\s+\S.*|\s*)"
)
"""A shell prompt, with or without a command."""


@dataclass
class SortedLines:
    """A text with a kind for each line.

    Attributes:
        lines: The lines.
        kinds: The kinds.
        of: For each line the number of its kind, from 1; 0 for none, or one of the constants below.
        modes: For each line its mode of `prefixes`.
        joined: Joined lines by the index of the first line: the text and the number of lines.
    """

    lines: Lines
    kinds: Sequence[Kind]
    of: bytearray = field(repr=False)
    modes: bytearray = field(repr=False)
    joined: dict[int, tuple[str, int]] = field(default_factory=dict)

    NOISE = 253
    PROMPT = 254
    CONTINUED = 255

    def parts(self, kind: Kind) -> Iterator[LineGroup]:
        """Yield the lines of a kind, in one part, or in several if the kind is split by prompts."""
        wanted = self.kinds.index(kind) + 1
        begin = self.of.find(wanted)
        while begin >= 0:
            end = self.of.find(self.PROMPT, begin) if kind.splits else len(self.of)
            end = len(self.of) if end < 0 else end
            yield LineGroup(self, wanted, begin, end)
            begin = self.of.find(wanted, end)

    def line(self, at: int) -> InputLine:
        """Return the line at an index, joined if it was wrapped."""
        text, count = self.joined.get(at) or (self._text(at), 1)
        return InputLine(at + 1, at + count, text)

    def _text(self, at: int) -> str:
        line = tidy(self.lines[at])
        return prefixes.strip_prefix(line, self.modes[at]) or line

    def unread(self) -> Iterator[UnreadLines]:
        """Yield the lines of no kind, except blank lines and noise."""
        first = last = -1
        for at in _positions(self.of, 0):
            if last >= 0 and any(self.of[last + 1 : at].translate(None, bytes([self.NOISE]))):
                yield UnreadLines(first + 1, last + 1, tidy(self.lines[first]))
                first = -1
            first, last = (at if first < 0 else first), at
        if last >= 0:
            yield UnreadLines(first + 1, last + 1, tidy(self.lines[first]))


@dataclass(frozen=True)
class LineGroup:
    """Lines of one kind; they are decoded at each iteration, and never all in memory.

    Attributes:
        sorted_lines: The text.
        wanted: The number of the kind.
        begin: The index of the first line.
        end: The index after the last line.
    """

    sorted_lines: SortedLines
    wanted: int
    begin: int
    end: int

    def __iter__(self) -> Iterator[InputLine]:
        at = self.sorted_lines.of.find(self.wanted, self.begin, self.end)
        while at >= 0:
            yield self.sorted_lines.line(at)
            at = self.sorted_lines.of.find(self.wanted, at + 1, self.end)

    def count(self) -> int:
        """Return the number of lines."""
        return self.sorted_lines.of.count(self.wanted, self.begin, self.end)

    def numbered(self) -> Iterator[tuple[int, str]]:
        """Yield each line's number and text."""
        return ((line.number, line.text) for line in self)

    def between(self, first: int, last: int) -> LineGroup:
        """Return the lines from one line number to another."""
        return LineGroup(self.sorted_lines, self.wanted, max(self.begin, first - 1), min(self.end, last))


def _positions(data: bytearray, value: int) -> Iterator[int]:
    at = data.find(value)
    while at >= 0:
        yield at
        at = data.find(value, at + 1)


def sort(lines: Lines, kinds: Sequence[Kind]) -> SortedLines:
    """Sort lines: each gets the kind that claims it, with a prefix removed if needed.

    After UNKNOWN_MAX lines of no kind the rest gets no kind.

    Kinds must be mutually exclusive: the kind of the previous line is tried first, then all in order.
    """
    return _Sorter(lines, kinds).run()


class _Sorter:
    """Tries the kind and the mode of the previous line first: most files are of one kind."""

    def __init__(self, lines: Lines, kinds: Sequence[Kind]) -> None:
        self.sorted_lines = SortedLines(lines, kinds, bytearray(len(lines)), bytearray(len(lines)))
        self.kinds = kinds
        self.likely: int | None = None
        self.mode = prefixes.PLAIN
        self._wrapping = [(which, kind) for which, kind in enumerate(kinds) if kind.whole is not None]
        self._modes: list[int] = list(range(prefixes.MODES))
        self._used = {prefixes.PLAIN, prefixes.UNINDENTED}
        self._misses = 0
        self._tail = (-1, -1)

    def run(self) -> SortedLines:
        at, count = 0, len(self.sorted_lines.lines)
        while at < count and self._misses < UNKNOWN_MAX:
            at += self._sort(at)
        return self.sorted_lines

    def _sort(self, at: int) -> int:
        """Sort one line with its wrapped continuation lines; return their number."""
        line = tidy(self.sorted_lines.lines[at])
        if not line or line.isspace():
            self.sorted_lines.of[at] = SortedLines.NOISE
            return 1
        which = self._claimed(line)
        text = prefixes.strip_prefix(line, self.mode) if which is not None else line
        if self._is_cut(which, text or line):
            joined = self._join(at, which, text or line)
            if joined is not None:
                return joined
        if which is not None:
            self.sorted_lines.of[at], self.sorted_lines.modes[at] = which + 1, self.mode
            self._tail = (at, at + 1)
        elif self._ends(at, line):
            self.sorted_lines.of[at] = SortedLines.CONTINUED
        elif _NOISE.fullmatch(line):
            self.sorted_lines.of[at] = SortedLines.NOISE
        elif _PROMPT.fullmatch(line.strip()):
            self.sorted_lines.of[at] = SortedLines.PROMPT
        return 1

    def _claimed(self, line: str) -> int | None:
        """Return the index of the kind that claims a line, and remember the mode."""
        if self.likely is not None:
            rest = prefixes.strip_prefix(line, self.mode)
            if rest is not None and self.kinds[self.likely].claims(rest):
                return self.likely
        mode = prefixes.find_mode(line, lambda rest: self._first(rest) is not None, self._modes)
        if mode is None:
            self._miss()
            return None
        self.mode = mode
        self._used.add(mode)
        self.likely = self._first(prefixes.strip_prefix(line, mode) or line)
        return self.likely

    def _miss(self) -> None:
        """Count a line of no kind; after many of them only prefixes that occurred are tried, to save time."""
        self._misses += 1
        if self._misses == MISSES_MAX:
            self._modes = sorted(self._used)

    def _first(self, line: str) -> int | None:
        return next((which for which, kind in enumerate(self.kinds) if kind.claims(line)), None)

    def _beginning(self, line: str) -> int | None:
        return next((which for which, kind in self._wrapping if kind.begins(line.lstrip())), None)

    def _is_cut(self, which: int | None, text: str) -> bool:
        """Return whether a line may be the beginning of a wrapped line."""
        if which is None:
            return self._misses < MISSES_MAX and self._beginning(text) is not None
        kind = self.kinds[which]
        return kind.cuts and kind.whole is not None and not kind.whole(text)

    def _join(self, at: int, which: int | None, text: str) -> int | None:
        """Join a wrapped line with the following ones if that completes it; return the number of lines, or None."""
        which = self._beginning(text) if which is None else which
        is_whole = self.kinds[which].whole if which is not None else None
        if which is None or is_whole is None:
            return None
        spaced = compact = text.strip()
        for count in range(2, min(JOINED_MAX, len(self.sorted_lines.lines) - at) + 1):
            more = tidy(self.sorted_lines.lines[at + count - 1]).strip()
            if not more or len(spaced) > JOINED_BYTES or self._claimed_alone(more):
                return None
            spaced, compact = f"{spaced} {more}", compact + more
            for whole in (spaced, compact):
                if is_whole(whole):
                    self.sorted_lines.of[at], self.sorted_lines.modes[at] = which + 1, prefixes.PLAIN
                    self.sorted_lines.joined[at] = (whole, count)
                    for follower in range(at + 1, at + count):
                        self.sorted_lines.of[follower] = SortedLines.CONTINUED
                    self._tail = (at, at + count)
                    return count
        return None

    def _ends(self, at: int, line: str) -> bool:
        """Append a line to the previous one if it is its wrapped end; return whether it was."""
        first, behind = self._tail
        if at != behind or not self.kinds[self.sorted_lines.of[first] - 1].ends(line.strip()):
            return False
        before = self.sorted_lines.line(first)
        self.sorted_lines.joined[first] = (f"{before.text} {line.strip()}", at + 1 - first)
        self._tail = (first, at + 1)
        return True

    def _claimed_alone(self, line: str) -> bool:
        return any(kind.claims(line) or kind.begins(line) for kind in self.kinds) or bool(_PROMPT.fullmatch(line))
