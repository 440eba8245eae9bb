"""Translates tables and sentences while they are laid out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rich.text import Text

from lab.foundation.language import Language, translations
from lab.foundation.shapes import translator

_language: ContextVar[Language] = ContextVar("language", default=Language.ENGLISH)


@contextmanager
def spoken_in(language: Language) -> Iterator[None]:
    """Use a language in this context."""
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


def spoken(message: str) -> str:
    """Translate a message (see shapes.py)."""
    return translator(_language.get()).text(message)


def line(message: str, style: str = "") -> Text:
    """Translate a message, and return it with a style."""
    return Text(spoken(message), style=style)


def in_report(text: str) -> str:
    """Translate a scenario's title or the name of a place on a packet's path, as in a report."""
    return translations(_language.get(), "report").gettext(text)
