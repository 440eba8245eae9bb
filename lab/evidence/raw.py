"""A trial's raw files as readable lines: text files unchanged, captures formatted as tcpdump does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lab.evidence import capture
from lab.evidence.packet_text import with_time_of_day
from lab.foundation import regular
from lab.foundation.printable import printable_lines

CAPTURE = ".pcap"


def read_lines(path: Path, only: re.Pattern[str] | None = None) -> tuple[str, ...]:
    """Return the lines of a raw file.

    Args:
        path: The file; a `.pcap` is parsed as a capture and yields one line per DNS message.
        only: Return only lines in which this pattern is found.

    Raises:
        FileNotFoundError: the file does not exist.
        UnreadableError: the capture cannot be parsed.
    """
    if path.suffix == CAPTURE:
        lines = [with_time_of_day(packet) for packet in capture.parse(regular.read(path))]
    else:
        lines = printable_lines(regular.text(path)).split("\n")
        lines = lines[:-1] if lines[-1] == "" else lines
    return tuple(line for line in lines if only is None or only.search(line))


def list_names(directory: Path) -> Iterator[str]:
    """Yield the names of a trial's raw files that are not empty."""
    for path in sorted(directory.iterdir()):
        if path.is_file() and not path.is_symlink() and path.stat().st_size:
            yield path.name


def compile_pattern(text: str) -> re.Pattern[str]:
    """Compile a regular expression typed by the user.

    Raises:
        ValueError: the expression is invalid; the message gives the reason.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"'{text}' is not a regular expression: {error}") from error
