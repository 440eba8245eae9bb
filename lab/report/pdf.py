"""A page as PDF, printed by a browser without a screen."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from lab import process
from lab.errors import BrokenEnvironment
from lab.work import Work

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

BOUND_S = 120.0
"""A page takes seconds; a machine that is busy with guests, longer."""

OFFLINE = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-quic",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
)
"""Printing a file needs no network, and the browser shall not look for any."""


def browser() -> str:
    """Give the browser that prints.

    Raises:
        BrokenEnvironment: there is none.
    """
    found = next((path for name in BROWSERS if (path := process.find(name))), None)
    if found is None:
        raise BrokenEnvironment(
            f"no browser that prints is installed; looked for: {', '.join(BROWSERS)}",
            hint="install one: apt-get install chromium; or open the HTML file and print it yourself",
        )
    return found


def print_page(html: Path, pdf: Path, work: Work) -> None:
    """Print a page as its own style sheet says, without the browser's header and footer.

    Args:
        html: The page.
        pdf: Where the PDF goes.
        work: Whose cancellation ends the browser.

    Raises:
        BrokenEnvironment: there is no browser, or it did not print.
    """
    program = browser()
    pdf.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lab-pdf-", ignore_cleanup_errors=True) as profile:
        made = Path(profile) / "page.pdf"
        # Chromium refuses its sandbox to root; what it opens is the lab's own file, which loads nothing.
        unboxed = ["--no-sandbox"] if os.geteuid() == 0 else []
        with work.step(f"printing {pdf.name}"):
            process.run(
                [
                    program,
                    "--headless",
                    "--disable-gpu",
                    *unboxed,
                    *OFFLINE,
                    f"--user-data-dir={profile}/profile",
                    "--no-pdf-header-footer",
                    f"--print-to-pdf={made}",
                    html.resolve().as_uri(),
                ],
                work=work,
                log=Path(profile) / "browser.log",
                bound_s=BOUND_S,
            )
        if not made.exists():
            raise BrokenEnvironment(f"{Path(program).name} ended well, and printed nothing")
        pdf.write_bytes(made.read_bytes())
