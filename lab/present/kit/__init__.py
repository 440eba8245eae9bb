"""Pages of a trainer's kit: the guide on one page of A4, and the incidents, each in both languages in one file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from jinja2 import Environment
from markupsafe import Markup

from lab import __version__
from lab.commands.kit import CaseFile
from lab.foundation.language import Language
from lab.foundation.printable import printable_lines
from lab.image.stick import DEFAULT_NAME
from lab.present import templates
from lab.present.handout import DOMAIN, as_blocks, as_inline, as_marked


def guide(image_sha256: str | None, names: Collection[str]) -> str:
    """Return the guide "twenty laptops in ten minutes".

    Args:
        image_sha256: The digest of the guest image in the kit; None for a kit without it.
        names: The other pages of the kit.
    """
    return _page("guide.html.j2", {"image": DEFAULT_NAME, "sha256": image_sha256, "names": names, "lab": __version__})


def mysteries(cases: Mapping[Language, Sequence[CaseFile]]) -> str:
    """Return the page with all incidents; it works without the lab, and shows everything without scripts.

    Args:
        cases: The incidents in each language.
    """
    return _page("mysteries.html.j2", {"cases": cases})


def _page(template: str, values: Mapping[str, object]) -> str:
    bodies = {each: Markup(_environment(each).get_template(template).render(values, tag=each.tag)) for each in Language}  # noqa: S704
    environment = _environment(Language.ENGLISH)
    style, script = (environment.get_template(name).render() for name in ("kit.css", "kit.js"))
    page = environment.get_template("frame.html.j2").render(
        bodies=bodies,
        style=Markup(style),  # noqa: S704  the lab's own file
        script=Markup(script),  # noqa: S704  the lab's own file
        style_hash=templates.admitted(style),
        script_hash=templates.admitted(script),
    )
    return printable_lines(page)


def _environment(language: Language) -> Environment:
    environment = templates.environment(__name__, language, DOMAIN)
    environment.filters |= {"blocks": as_blocks, "inline": as_inline, "marked": as_marked}
    environment.globals |= {"language": language}
    return environment
