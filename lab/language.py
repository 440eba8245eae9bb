"""The languages that teaching material is in: gettext catalogues, read as a translator wrote them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from gettext import NullTranslations
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

NAMES = {"en": "en", "zh": "zh_Hans"}
"""What people type for a language, and its value."""

CATALOGUES = Path(__file__).parent / "locale"
"""LANGUAGE/LC_MESSAGES/DOMAIN.po; `make messages` brings them up to date with the sources."""


class Language(StrEnum):
    """What a reader reads; the value is the language's name for gettext and, with a hyphen, for HTML (BCP 47)."""

    ENGLISH = "en"
    """What the sources are written in: it needs no catalogue."""
    CHINESE = "zh_Hans"
    """Simplified Chinese."""

    @classmethod
    def named(cls, name: str) -> Language:
        """Give the language that people call so: one of NAMES."""
        return cls(NAMES[name])

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Language:
        """Give the language of the locale (locale(7): the first of LC_ALL, LC_MESSAGES and LANG that is set)."""
        locale = next((value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := environment.get(name))), "")
        return cls.CHINESE if locale.startswith("zh") else cls.ENGLISH

    @property
    def tag(self) -> str:
        """The language's tag as in HTML's `lang` (BCP 47)."""
        return self.value.replace("_", "-")


@cache
def translations(language: Language, domain: str) -> NullTranslations:
    """Give what turns the sources' English into a language.

    Args:
        language: The language.
        domain: The catalogue, such as `report`.

    Raises:
        FileNotFoundError: there is no such catalogue.
    """
    if language is Language.ENGLISH:
        return NullTranslations()
    path = CATALOGUES / language.value / "LC_MESSAGES" / f"{domain}.po"
    with path.open(encoding="utf-8") as file:
        catalogue = read_po(file, locale=language.value, domain=domain)
    # Compiled here and now, so that no compiled file can be older than its source.
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled, domain)
