"""Every message of every catalogue is translated, and no obsolete one remains."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from lab.foundation.home import PROJECT
from lab.foundation.language import CATALOGUES, Language, translations

DOMAINS = sorted(path.stem for path in CATALOGUES.glob("*.cfg"))

KEYWORDS = {**DEFAULT_KEYWORDS}

FIELD = re.compile(r"%\(\w+\)[sd]|\{\w*\}")


def catalogue_of(domain: str) -> Catalog:
    """Return the Chinese catalogue as the translator left it."""
    with (CATALOGUES / Language.CHINESE / "LC_MESSAGES" / f"{domain}.po").open(encoding="utf-8") as file:
        return read_po(file, locale=Language.CHINESE.value, domain=domain)


def forms(text: str | Sequence[str] | None) -> list[str]:
    """Return a message's singular and plural, or its only form."""
    return [text or ""] if isinstance(text, str | None) else list(text)


def messages_of(domain: str) -> set[str]:
    """Return the messages in the sources."""
    with Path(CATALOGUES / f"{domain}.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    messages = extract_from_dir(PROJECT, methods, options, KEYWORDS, directory_filter=None)
    return {message[0] if isinstance(message, tuple) else message for _, _, message, _, _ in messages}


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_catalogue_has_every_message_of_its_sources_and_no_other(domain: str) -> None:
    """A changed and untranslated sentence would appear in English among Chinese ones."""
    catalogue = catalogue_of(domain)
    known = {message.id[0] if isinstance(message.id, tuple) else message.id for message in catalogue if message.id}

    assert known == messages_of(domain), "make messages, then translate what is new"


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_message_is_translated_with_all_its_fields(domain: str) -> None:
    """An empty translation shows English; a lost field loses a figure."""
    for message in catalogue_of(domain):
        if not message.id:
            continue
        assert not message.fuzzy, f"to be looked at: {message.id}"
        english = forms(message.id)[-1]
        for chinese in forms(message.string):
            assert chinese, f"untranslated: {english}"
            assert sorted(FIELD.findall(chinese)) == sorted(FIELD.findall(english)), english


def test_english_needs_no_catalogue() -> None:
    """The source text is English."""
    assert translations(Language.ENGLISH, "any").gettext("the packet") == "the packet"
