"""Source of libnetfilter_queue's example program, from Debian's package."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from lab.foundation import process
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.work import Work

PACKAGE = "libnetfilter-queue-doc"
"""The library's only binary package with the source, as a page of its documentation."""

PAGE = "nfqnl__test_8c_source.html"

_NUMBER = re.compile(r"^ *\d+\N{NO-BREAK SPACE}")
"""Line number that doxygen puts before each source line."""

DOWNLOAD_BOUND_S = 300.0


def source(directory: Path) -> str:
    """Download the package, which apt verifies, and return the program's source.

    Args:
        directory: Directory for the package.

    Raises:
        BrokenEnvironment: there is no such package, or no such page in it.
    """
    log = directory / "nfqnl_test.log"
    apt, deb = process.require("apt-get", "apt"), process.require("dpkg-deb", "dpkg")
    get = [apt, "-q", "download", PACKAGE]
    process.run(get, work=Work(), log=log, bound_s=DOWNLOAD_BOUND_S, cwd=directory)
    (package,) = directory.glob(f"{PACKAGE}_*.deb")
    process.run([deb, "-x", package, "doc"], work=Work(), log=log, bound_s=DOWNLOAD_BOUND_S, cwd=directory)
    page = next((directory / "doc").rglob(PAGE), None)
    if page is None:
        raise BrokenEnvironment(f"{package.name} has no page {PAGE}")
    return code_in(page.read_text())


def code_in(page: str) -> str:
    """Return the source shown on a doxygen page."""
    reader = _LineCollector()
    reader.feed(page)
    return "".join(f"{_NUMBER.sub('', line)}\n" for line in reader.lines)


class _LineCollector(HTMLParser):
    """Collects the text of each `<div class="line">`."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._is_in_line = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "div":
            self._is_in_line = ("class", "line") in attrs
            if self._is_in_line:
                self.lines.append("")

    def handle_endtag(self, tag: str) -> None:
        self._is_in_line = self._is_in_line and tag != "div"

    def handle_data(self, data: str) -> None:
        if self._is_in_line:
            self.lines[-1] += data
