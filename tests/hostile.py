"""Text that would control a terminal, or forge a line of output, and a check that none of it was printed."""

from __future__ import annotations

import unicodedata

FORGED = "lab: forged"

CONTROLS = "\x1b[2J\x1b]0;title\x07\x9b31m\r\x08\u202e\u2066\u200f\u2028[/bold][link=file:///x]"
"""Sequences of C0 and C1, OSC, direction and line marks, and rich's own markup."""

TEXT = f"a{CONTROLS}\n{FORGED}"

LETTERS = "内核 e\u0301 نام \U0001f468\u200d\U0001f469"
"""Letters of several languages, a combining mark, and an emoji with its joiner."""

_JOINERS = "\u200c\u200d"


def require_clean(output: str, *, marks: str = "\n") -> None:
    """Make sure that output has no character that controls a terminal, and no forged line.

    Args:
        output: What was printed.
        marks: Control characters that layout makes.
    """
    steering = {
        character
        for character in output
        if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and character not in marks + _JOINERS
    }
    assert not steering, steering
    assert not [line for line in output.split("\n") if line.strip().startswith(FORGED)], output
