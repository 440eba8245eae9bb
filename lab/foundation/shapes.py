"""Translates messages: a message is found in the catalogue by its shape, the f-string that made it.

The sources write messages as f-strings, and logs and JSON keep them in English. Only what goes to a terminal is
translated, by the catalogue that extraction.py collects: its messages have `{0}`, `{1}` ... in place of the fields.
"""

from __future__ import annotations

import re
from functools import cache, cached_property

from lab.foundation.language import Language, translations

DOMAIN = "terminal"

LENGTH_MAX = 2000
"""Longer texts are not translated."""

DEPTH_MAX = 6
"""Maximum nesting: a field may be a message with fields, such as a reason."""

_FIELD = re.compile(r"\{(\d)\}")

_SEVERAL = re.compile(r"; (?![^()]*\))")
"""Separates messages in one line, except within parentheses."""


class Translator:
    """Translates messages into a language.

    Args:
        language: The language.
    """

    def __init__(self, language: Language) -> None:
        self._language = language

    def text(self, message: str, depth: int = DEPTH_MAX) -> str:
        """Translate a message; it is unchanged if the catalogue has no such shape.

        Several messages in one line are translated separately.
        """
        if self._language is Language.ENGLISH or not message.strip() or len(message) > LENGTH_MAX or not depth:
            return message
        if message in self._catalogue:
            return self._catalogue[message]
        parts = _SEVERAL.split(message)
        translated = [self.text(part, depth - 1) for part in parts] if len(parts) > 1 else []
        if translated and all(text != part for text, part in zip(translated, parts, strict=True)):
            return "；".join(translated)  # noqa: RUF001  full-width on purpose
        return self._filled(message, depth) or ("；".join(translated) if translated else message)  # noqa: RUF001  see above

    def _filled(self, message: str, depth: int) -> str | None:
        """Translate a message with fields; return None if the catalogue has no such shape."""
        matches = ((pattern.fullmatch(message), text) for pattern, text in self._patterns)
        match, text = next((each for each in matches if each[0]), (None, ""))
        if match is None:
            return None
        fields = {
            name: value if message[match.start(name) - 1 : match.start(name)] == "'" else self.text(value, depth - 1)
            for name, value in match.groupdict().items()
        }
        return _FIELD.sub(lambda field: fields[f"f{field[1]}"], text)

    @cached_property
    def _catalogue(self) -> dict[str, str]:
        """The catalogue's messages without fields, and their translations."""
        return {shape: text for shape, text in self._messages if not _FIELD.search(shape)}

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], str]]:
        """The catalogue's messages with fields, the most specific first."""
        shapes = [(shape, text) for shape, text in self._messages if _FIELD.search(shape)]
        ordered = sorted(shapes, key=lambda each: len(_FIELD.sub("", each[0])), reverse=True)
        return [(_pattern(shape), text) for shape, text in ordered]

    @cached_property
    def _messages(self) -> list[tuple[str, str]]:
        catalogue: dict[str, str] = getattr(translations(self._language, DOMAIN), "_catalog", {})
        return [(shape, text) for shape, text in catalogue.items() if isinstance(shape, str) and shape and text]


def _pattern(shape: str) -> re.Pattern[str]:
    """Return the pattern of a shape; only a field at its end or in brackets may contain a colon."""
    pieces = _FIELD.split(shape)
    last = None if pieces[-1] else pieces[-2]
    pattern = ""
    for place, piece in enumerate(pieces):
        is_free = piece == last or pieces[place - 1].endswith("(")
        field = ".*?" if is_free else "(?:(?!: ).)*?"
        pattern += f"(?P<f{piece}>{field})" if place % 2 else re.escape(piece)
    return re.compile(pattern, re.DOTALL)


@cache
def translator(language: Language) -> Translator:
    """Return the translator into a language."""
    return Translator(language)
