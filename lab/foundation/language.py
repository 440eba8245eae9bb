"""Languages of teaching material: gettext catalogues, read from their source files."""

from __future__ import annotations

import io
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from lab.foundation.po_file import compile_po

NAMES = {"en": "en", "zh": "zh_Hans"}
"""Languages by the names used on the command line."""

CATALOGUES = Path(__file__).parents[1] / "locale"
"""LANGUAGE/LC_MESSAGES/DOMAIN.po; `make messages` updates them from the sources."""


def N_(text: str) -> str:  # noqa: N802  gettext's name for this
    """Mark a text for extraction; it is translated where it is shown."""
    return text


class Language(StrEnum):
    """A reader's language; the value is its name for gettext and, with a hyphen, for HTML (BCP 47)."""

    ENGLISH = "en"
    """The language of the sources, without a catalogue."""
    CHINESE = "zh_Hans"
    """Simplified Chinese."""

    @classmethod
    def named(cls, name: str) -> Language:
        """Return the language with a name of NAMES."""
        return cls(NAMES[name])

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Language:
        """Return the language of LAB_LANGUAGE, else of the locale (locale(7): of LC_ALL, LC_MESSAGES or LANG)."""
        names = ("LAB_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
        locale = next((value for name in names if (value := environment.get(name))), "")
        return cls.CHINESE if locale.startswith("zh") else cls.ENGLISH

    @property
    def tag(self) -> str:
        """The language's tag for HTML's `lang` (BCP 47)."""
        return self.value.replace("_", "-")

    @property
    def plural_forms(self) -> str:
        """The language's rule of plurals, as gettext writes it (GNU gettext manual, "Plural forms")."""
        return "nplurals=1; plural=0;" if self is Language.CHINESE else "nplurals=2; plural=(n != 1);"


@cache
def translations(language: Language, domain: str) -> NullTranslations:
    """Return the translations from the sources' English into a language.

    Args:
        language: The language.
        domain: The catalogue, such as `report`.

    Raises:
        FileNotFoundError: there is no such catalogue.
    """
    if language is Language.ENGLISH:
        return NullTranslations()
    path = CATALOGUES / language.value / "LC_MESSAGES" / f"{domain}.po"
    # Compiled here and now, so that no compiled file can be older than its source.
    return GNUTranslations(io.BytesIO(compile_po(path.read_text(encoding="utf-8"), language.plural_forms)))
