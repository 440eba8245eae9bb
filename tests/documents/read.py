"""Parse the documents: blocks, command lines with the output shown below them, and code in running text."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.foundation.home import PROJECT

OURS = ("lab", "make", "pytest", ".venv/bin/lab", ".venv/bin/pytest")
"""Programs whose lines are commands wherever they stand in a block."""

COMMANDS = "sh"
"""The language of a block in which each line is a command."""

TRANSCRIPT = "console"
"""The language of a block in which commands begin with `$ `, and other lines are output."""

SKIPPED = {".venv", ".lab", "golden"}

_FENCE = re.compile(r"(?P<indent> *)```(?P<language>\w*)")
_SPAN = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A code block.

    Attributes:
        place: File and line of its first line.
        language: As the fence has it; empty for none and for an indented block.
        lines: Its lines, each with its number in the file.
    """

    place: str
    language: str
    lines: tuple[tuple[int, str], ...]

    @property
    def text(self) -> str:
        """Its lines as one text."""
        return "".join(f"{line}\n" for _, line in self.lines)


@dataclass(frozen=True)
class Command:
    """A command line.

    Attributes:
        place: File and line.
        line: What a person types, without prompt and comment.
        output: The output shown below it; None when none is shown.
    """

    place: str
    line: str
    output: tuple[str, ...] | None = None

    @property
    def steps(self) -> tuple[str, ...]:
        """The commands that `&&` joins."""
        return tuple(step.strip() for step in self.line.split("&&"))


def documents() -> list[Path]:
    """Return the documents of the project."""
    return [path for path in sorted(PROJECT.rglob("*.md")) if not SKIPPED & set(path.relative_to(PROJECT).parts)]


def blocks(path: Path) -> Iterator[Block]:
    """Parse the code blocks of a document, fenced ones and those indented by four spaces."""
    lines = list(enumerate(path.read_text().splitlines(), 1))
    name = str(path.relative_to(PROJECT))
    position = 0
    while position < len(lines):
        number, line = lines[position]
        fence = _FENCE.fullmatch(line)
        position += 1
        if fence:
            taken = _until_fence(lines[position:], f"{fence['indent']}```")
            position += len(taken) + 1
            inner = tuple((at, text.removeprefix(fence["indent"])) for at, text in taken)
            yield Block(f"{name}:{number + 1}", fence["language"], inner)
        elif line.startswith("    ") and (position < 2 or not lines[position - 2][1].strip()):
            taken = _indented(lines[position - 1 :])
            position += len(taken) - 1
            yield Block(f"{name}:{number}", "", tuple((at, text[4:]) for at, text in taken))


def _until_fence(lines: list[tuple[int, str]], fence: str) -> list[tuple[int, str]]:
    return lines[: next(at for at, (_, line) in enumerate(lines) if line == fence)]


def _indented(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    end = next((at for at, (_, line) in enumerate(lines) if line.strip() and not line.startswith("    ")), len(lines))
    return lines[:end]


def commands(path: Path) -> Iterator[Command]:
    """Parse the command lines of a document's blocks."""
    name = str(path.relative_to(PROJECT))
    for block in blocks(path):
        if block.language == TRANSCRIPT:
            yield from _transcript(block, name)
            continue
        for number, line in block.lines:
            typed = without_comment(line)
            if typed and (block.language == COMMANDS or is_ours(typed)):
                yield Command(f"{name}:{number}", typed)


def _transcript(block: Block, name: str) -> Iterator[Command]:
    begins = [at for at, (_, line) in enumerate(block.lines) if line.startswith("$ ")]
    for at, end in zip(begins, [*begins[1:], len(block.lines)], strict=True):
        number, line = block.lines[at]
        output = tuple(text.rstrip() for _, text in block.lines[at + 1 : end])
        yield Command(f"{name}:{number}", without_comment(line.removeprefix("$ ")), output or None)


def is_ours(line: str) -> bool:
    """Return whether a line runs one of the project's programs, whatever stands before it."""
    typed = line.removeprefix("$ ").split()
    while typed and (typed[0] == "sudo" or re.fullmatch(r"[A-Z_]+=\S*", typed[0])):
        typed.pop(0)
    return bool(typed) and typed[0] in OURS


def each_once(found: Iterable[Command]) -> list[Command]:
    """Return commands without those that are the same line, preferring one with an output."""
    chosen: dict[str, Command] = {}
    for command in found:
        if command.line not in chosen or chosen[command.line].output is None:
            chosen[command.line] = command
    return list(chosen.values())


def without_comment(line: str) -> str:
    """Return a command line without what follows a `#` that begins a word."""
    return re.split(r"(?:^|\s)#(?:\s|$)", line, maxsplit=1)[0].strip()


def spans(path: Path) -> Iterator[tuple[str, str]]:
    """Parse the code in running text, each with its place."""
    inside = {number for block in blocks(path) for number, _ in block.lines}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if number not in inside:
            for text in _SPAN.findall(line):
                yield f"{path.relative_to(PROJECT)}:{number}", text


def words(step: str) -> list[str]:
    """Return the words behind `lab` in one command; [] when it is no command of the lab.

    Of a pipe it is the part that runs the lab.
    """
    part = next((part for part in step.split("|") if is_ours(part.strip())), "")
    typed = shlex.split(part)
    while typed and typed[0].rsplit("/", 1)[-1] != "lab":
        typed.pop(0)
    return typed[1:]
