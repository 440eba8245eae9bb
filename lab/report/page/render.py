"""Makes the page: each language whole, one beside the other in one file that loads nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from lab.language import Language, translations
from lab.report.figures import interval, peak, seconds
from lab.report.page import curve, timeline, times, words
from lab.report.page.view import View, figure
from lab.report.sentences import LIKELY

DOMAIN = "report"

EN_DASH = "\u2013"
"""Between the ends of an interval; a terminal makes do with a hyphen."""


def page(document: Mapping[str, Any], language: Language) -> str:
    """Give the page as HTML.

    Args:
        document: What `lab report --json` prints.
        language: The language it opens in; the other one is a click away.
    """
    style, script = (_environment(language).get_template(name).render() for name in ("style.css", "script.js"))
    bodies = [(each, Markup(_body(document, each))) for each in Language]  # noqa: S704  made by an escaping template
    return (
        _environment(language)
        .get_template("frame.html.j2")
        .render(
            language=language,
            bodies=bodies,
            titles={each.tag: translations(each, DOMAIN).gettext("Five seconds: a lab report") for each in Language},
            style=Markup(style),  # noqa: S704  the lab's own file
            script=Markup(script),  # noqa: S704  likewise
            style_hash=_hash(style),
            script_hash=_hash(script),
        )
    )


def _body(document: Mapping[str, Any], language: Language) -> str:
    doc = View(document)
    return (
        _environment(language)
        .get_template("report.html.j2")
        .render(
            doc=doc,
            tag=language.tag,
            times=times.picture(doc["times"], doc["trials"]),
            timelines=timeline.pictures(doc["twins"]) if doc["twins"] and doc["twins"]["evidence"] else [],
            curve=curve.picture(doc["dial"]) if doc["dial"] else None,
        )
    )


def _hash(text: str) -> str:
    """Give a style's or a script's hash, by which alone the page admits it (Content Security Policy, level 2)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _environment(language: Language) -> Environment:
    environment = Environment(
        loader=PackageLoader("lab.report.page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    spoken = translations(language, DOMAIN)
    environment.install_gettext_translations(spoken, newstyle=True)  # type: ignore[attr-defined]
    environment.filters |= {
        "time": lambda at: figure(at, seconds(at.it)),
        "count": lambda at: figure(at, str(at.it)),
        "share": lambda at: figure(at, interval(tuple(at.it) if at.it else None).replace("-", EN_DASH, 1)),
        "probability": lambda at: figure(at, f"{at.it:.2g}"),
        "about": lambda at: figure(at, spoken.gettext("%(seconds)s s") % {"seconds": f"{at.it:.0f}"}),
        "peak": lambda at: figure(at, peak(at.it)),
        "word": lambda at: spoken.gettext(words.ALL[str(at)]),
        "era": lambda at: str(at) if at else spoken.gettext("not known"),
        "foreign": _foreign(spoken.gettext, language),
        "painted": _painted,
        "called": lambda name, machines: _called(name, machines, spoken.gettext),
        "px": lambda value: f"{value:.2f}".rstrip("0").rstrip("."),
        "tick": tick,
    }
    environment.globals |= {"share_y": curve.share_y, "likely": LIKELY}
    return environment


def tick(moment_s: float) -> str:
    """Write a moment of an axis."""
    return f"{moment_s * 1000:.0f} ms" if moment_s < 1 else f"{moment_s:.3f} s"


def _foreign(gettext: Callable[[str], str], language: Language) -> Callable[[View], Markup]:
    """Give what says a scenario's own words: translated if they are known, else as they are, and marked as English."""

    def said(at: View) -> Markup:
        text = " ".join(str(at).split())
        translated = gettext(text)
        if language is Language.ENGLISH or translated != text:
            return _with_code(translated)
        return Markup('<span lang="en">{}</span>').format(_with_code(text))

    return said


def _with_code(text: str) -> Markup:
    """Give a text with what stands between backquotes, as scenarios write terms, set as code."""
    parts = enumerate(text.split("`"))
    return Markup("").join(Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in parts)


def _painted(line: View, conntracks: View) -> Markup:
    """Give a raw line with the addresses of the trial's conntracks marked."""
    text = str(line["text"]).strip()
    known = {address.it: place for place, address in enumerate(conntracks)}
    if not known:
        return escape(text)
    parts = re.split(f"({'|'.join(known)})", text)
    painted = [
        Markup('<b class="ct ct{}">{}</b>').format(known[part] % 3, part) if part in known else escape(part)
        for part in parts
    ]
    return Markup("").join(painted)


def _called(name: View, machines: View, gettext: Callable[[str], str]) -> Markup:
    """Give a machine's name; a replica never passes for the real thing."""
    # With its space, which Chinese does not set.
    replica = Markup('<span class="replica">{}</span>').format(gettext(" (replica)"))
    return Markup("<b>{}</b>{}").format(str(name), replica if machines[str(name)]["replica"] else "")
