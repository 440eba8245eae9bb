"""Texts in both languages, or only in the one that their author writes."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import Field, model_validator

from lab.catalogue.document import Model
from lab.foundation.language import Language

Text = Annotated[str, Field(min_length=1)]

# Han, kana, and the punctuation and wide forms that go with them: between two of these no space belongs, and none
# beside such punctuation.
_WIDE = r"[\u2e80-\u303f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uff60]"
_MARK = r"[\u3000-\u303f\uff00-\uff60]"
_LINE_ENDS = re.compile(rf"(?<={_WIDE})\n(?={_WIDE})|(?<={_MARK})\n|\n(?={_MARK})")


class Words(Model):
    """One text.

    Attributes:
        en: In English.
        zh: In Simplified Chinese.
    """

    en: Text | None = None
    zh: Text | None = None

    @model_validator(mode="after")
    def _is_in_a_language(self) -> Self:
        if self.en is None and self.zh is None:
            raise ValueError("the text is in no language: en or zh")
        return self

    def has(self, language: Language) -> bool:
        """Return whether the text exists in a language."""
        return self._in(language) is not None

    def text(self, language: Language) -> str:
        """Return the text in a language, or in the other one if it exists in that alone."""
        own, other = self._in(language), self.en or self.zh
        return (own or other or "").strip()

    def _in(self, language: Language) -> str | None:
        return self.zh if language is Language.CHINESE else self.en


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a text, each in one line.

    An empty line ends a paragraph, and a line that begins with `- ` begins one; lines that are indented stay lines.
    """
    lines: list[str] = []
    for block in re.split(r"\n[ \t]*\n|\n(?=- )", text.strip("\n")):
        if re.match(r"[ \t]", block):
            lines += block.split("\n")
        else:
            plain = "\n".join(line.strip() for line in block.strip().split("\n"))
            lines.append(_LINE_ENDS.sub("", plain).replace("\n", " "))
    return lines
