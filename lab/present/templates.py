"""Fills in the templates of pages, which load nothing: their style and script stand in the page."""

from __future__ import annotations

import base64
import hashlib

from jinja2 import Environment, PackageLoader, StrictUndefined

from lab.foundation.language import Language, translations


def environment(package: str, language: Language, domain: str) -> Environment:
    """Return what fills in the templates of a package; values are escaped, and a missing one is an error.

    Args:
        package: The package in whose directory the templates are.
        language: The language of the page.
        domain: The catalogue with the templates' messages.
    """
    made = Environment(
        loader=PackageLoader(package, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.policies["ext.i18n.trimmed"] = True
    made.install_gettext_translations(translations(language, domain), newstyle=True)  # type: ignore[attr-defined]
    return made


def admitted(text: str) -> str:
    """Return the hash by which a page admits its own style or script (Content Security Policy, level 2)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
