"""The proxies through which this host's apt downloads, for programs that do not read its settings."""

from __future__ import annotations

import os

from lab.foundation import process
from lab.foundation.errors import BrokenEnvironment

SCHEMES = ("http", "https")

DIRECT = "DIRECT"
"""In apt's settings: no proxy (apt-transport-http(1))."""


def proxies() -> dict[str, str]:
    """Return the variables that name apt's proxies, without those that are set already.

    mmdebstrap has apt read other settings: a proxy in /etc/apt/apt.conf.d/ would not be used (mmdebstrap(1)).
    """
    found: dict[str, str] = {}
    for scheme in SCHEMES:
        variable = f"{scheme}_proxy"
        if variable not in os.environ and (proxy := _configured(scheme)):
            found[variable] = proxy
    return found


def _configured(scheme: str) -> str | None:
    program = process.find("apt-config")
    if program is None:
        return None
    try:
        printed = process.output_of([program, "dump", "--format", "%v%n", f"Acquire::{scheme}::Proxy"])
    except BrokenEnvironment:  # settings that apt itself refuses: it says so when it is run
        return None
    # Proxies of single hosts are printed below it.
    proxy = printed.partition("\n")[0].strip()
    return proxy if proxy and proxy != DIRECT else None
