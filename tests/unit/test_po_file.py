"""Catalogues compiled as Babel compiles them."""

from __future__ import annotations

import io
from gettext import GNUTranslations
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po, write_po
from hypothesis import given
from hypothesis import strategies as st

from lab.foundation.language import CATALOGUES, Language
from lab.foundation.po_file import compile_po

WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from('\n\t"\\'), min_size=1, max_size=90)
CHINESE = Language.CHINESE.plural_forms


def compiled(text: str) -> GNUTranslations:
    """Return a compiled catalogue, as Python's gettext reads it."""
    return GNUTranslations(io.BytesIO(compile_po(text, CHINESE)))


def messages(catalogue: Catalog) -> dict[tuple[object, ...], tuple[object, ...]]:
    """Return a catalogue's translations, each by its context and its English."""
    return {(one.context, *forms(one.id)): forms(one.string) for one in catalogue if one.id and one.string}


def forms(text: object) -> tuple[object, ...]:
    """Return a message's singular and plural, or its one form."""
    return tuple(text) if isinstance(text, (list, tuple)) else (text,)


@pytest.mark.parametrize("path", sorted(CATALOGUES.rglob("*.po")), ids=lambda path: path.stem)
def test_the_labs_catalogues_hold_what_babel_reads_in_them(path: Path) -> None:
    """An independent implementation finds the same messages and the same translations."""
    with path.open(encoding="utf-8") as file:
        expected = read_po(file, locale=Language.CHINESE.value)
    found = read_mo(io.BytesIO(compile_po(path.read_text(encoding="utf-8"), CHINESE)))

    assert len(expected) > 10
    assert messages(found) == messages(expected)


@given(WORDS, WORDS, st.none() | WORDS)
def test_what_babel_writes_is_read(original: str, translated: str, context: str | None) -> None:
    """Whatever the characters: quotes, backslashes and line ends are written with escapes, and broken over lines."""
    catalogue = Catalog(locale="zh_Hans")
    catalogue.add(original, translated, context=context)
    written = io.BytesIO()
    write_po(written, catalogue)
    read = compiled(written.getvalue().decode())

    assert (read.pgettext(context, original) if context else read.gettext(original)) == translated


def test_what_is_fuzzy_or_obsolete_or_not_translated_stays_english() -> None:
    """A guess of a tool must not pass for a translation."""
    read = compiled('#, fuzzy\nmsgid "a"\nmsgstr "b"\n\nmsgid "c"\nmsgstr ""\n\n#~ msgid "d"\n#~ msgstr "e"\n')

    assert [read.gettext(text) for text in "acd"] == ["a", "c", "d"]


def test_a_plural_has_the_forms_of_its_language() -> None:
    """Chinese has one form; the English of two is looked up all the same."""
    read = compiled('msgid "%(n)s trial"\nmsgid_plural "%(n)s trials"\nmsgstr[0] "%(n)s 次"\n')

    assert [read.ngettext("%(n)s trial", "%(n)s trials", count) for count in (0, 1, 2)] == ["%(n)s 次"] * 3


def test_a_line_that_is_no_gettext_is_named() -> None:
    """A catalogue that was merged badly is not read as an empty one."""
    with pytest.raises(ValueError, match="line 2"):
        compiled('msgid "a"\n<<<<<<< mine\nmsgstr "b"\n')
