"""Renders the page: one file that has both languages and loads nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment
from markupsafe import Markup, escape

from lab.comparison.statistics import LIKELY
from lab.foundation.language import Language, translations
from lab.foundation.printable import printable_lines
from lab.present import templates
from lab.present.figures import cost, interval, peak, seconds
from lab.present.page import curve, play, timeline, times, words
from lab.present.page.view import View, figure

DOMAIN = "report"

EN_DASH = "\u2013"
"""Separates the ends of an interval; on a terminal it is a hyphen."""


def page(document: Mapping[str, Any], language: Language) -> str:
    """Return the page as HTML.

    Args:
        document: The JSON of `lab report --json`.
        language: The language that is shown first.
    """
    style, script = (environment(language).get_template(name).render() for name in ("style.css", "script.js"))
    bodies = [(each, Markup(_body(document, each))) for each in Language]  # noqa: S704  rendered by an escaping template
    return printable_lines(
        environment(language)
        .get_template("frame.html.j2")
        .render(
            language=language,
            bodies=bodies,
            titles={each.tag: translations(each, DOMAIN).gettext("Five seconds: a lab report") for each in Language},
            style=Markup(style),  # noqa: S704  the lab's own file
            script=Markup(script),  # noqa: S704  the lab's own file
            style_hash=templates.admitted(style),
            script_hash=templates.admitted(script),
        )
    )


def _body(document: Mapping[str, Any], language: Language) -> str:
    doc = View(document)
    timelines = timeline.pictures(doc["twins"]) if doc["twins"] and doc["twins"]["evidence"] else []
    return (
        environment(language)
        .get_template("report.html.j2")
        .render(
            doc=doc,
            tag=language.tag,
            times=times.picture(doc["times"], doc["trials"]),
            timelines=timelines,
            play=play.play(timelines),
            curve=curve.picture(doc["dial"]) if doc["dial"] else None,
        )
    )


def environment(language: Language) -> Environment:
    """Return what fills the templates beside this module in, in a language."""
    environment = templates.environment("lab.present.page", language, DOMAIN)
    catalogue = translations(language, DOMAIN)
    environment.filters |= {
        "time": lambda at: figure(at, seconds(at.it)),
        "cost": lambda at: figure(at, cost(at.it)),
        "count": lambda at: figure(at, str(at.it)),
        "share": lambda at: figure(at, interval(tuple(at.it) if at.it else None).replace("-", EN_DASH, 1)),
        "probability": lambda at: figure(at, f"{at.it:.2g}"),
        "timeout": lambda at: figure(at, catalogue.gettext("%(seconds)s s") % {"seconds": f"{at.it:g}"}),
        "peak": lambda at: figure(at, peak(at.it)),
        "word": lambda at: catalogue.gettext(words.ALL[str(at)]),
        "era": lambda at: str(at) if at else catalogue.gettext("not known"),
        "foreign": _foreign(catalogue.gettext, language),
        "painted": _painted,
        "called": lambda name, machines: _called(name, machines, catalogue.gettext),
        "px": lambda value: f"{value:.2f}".rstrip("0").rstrip("."),
        "tick": tick,
    }
    environment.globals |= {"share_y": curve.share_y, "likely": LIKELY}
    return environment


def tick(moment_s: float) -> str:
    """Format a moment on an axis."""
    return f"{moment_s * 1000:.0f} ms" if moment_s < 1 else f"{moment_s:.3f} s"


def _foreign(gettext: Callable[[str], str], language: Language) -> Callable[[View], Markup]:
    """Return a filter for a scenario's own text: translated if the catalogue has it, otherwise marked as English."""

    def translated(at: View) -> Markup:
        text = " ".join(str(at).split())
        message = gettext(text)
        if language is Language.ENGLISH or message != text:
            return _with_code(message)
        return Markup('<span lang="en">{}</span>').format(_with_code(text))

    return translated


def _with_code(text: str) -> Markup:
    """Return a text with its parts in backquotes as code."""
    parts = enumerate(text.split("`"))
    return Markup("").join(Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in parts)


def _painted(line: View, conntracks: View) -> Markup:
    """Return a raw line with the addresses of the trial's conntracks marked."""
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
    """Return a machine's name with its system (see sentences.called)."""
    label = words.SYSTEMS.get(str(machines[str(name)]["system"]))
    system = Markup('<span class="system">{}</span>').format(gettext(label)) if label else ""
    return Markup("<b>{}</b>{}").format(str(name), system)
