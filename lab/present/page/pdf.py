"""Prints a page as PDF, with a headless browser."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from lab.foundation import distribution, process
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.work import Work

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

BOUND_S = 120.0
"""Printing takes seconds, and longer on a machine that is busy with guests."""

OFFLINE = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-quic",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
)
"""Printing a file needs no network, so the browser must not use it."""


def browser() -> str:
    """Return the browser's path.

    Raises:
        BrokenEnvironment: there is no browser.
    """
    path = next((path for name in BROWSERS if (path := process.find(name))), None)
    if path is None:
        raise BrokenEnvironment(
            f"no browser that prints is installed; looked for: {', '.join(BROWSERS)}",
            hint=f"{distribution.hint('chromium')}; or open the HTML file and print it yourself",
        )
    return path


def print_page(html: Path, pdf: Path, work: Work) -> None:
    """Print a page with its style sheet, without the browser's header and footer.

    Args:
        html: The page's path.
        pdf: The PDF's path.
        work: Its cancellation ends the browser.

    Raises:
        BrokenEnvironment: there is no browser, or it did not print.
    """
    program = browser()
    pdf.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lab-pdf-", ignore_cleanup_errors=True) as profile:
        made = Path(profile) / "page.pdf"
        # Chromium has no sandbox as root; it opens only the lab's own file, which loads nothing.
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
