"""Checks within seconds whether a file can be downloaded."""

from __future__ import annotations

import http
import http.client
import queue
import threading
import time
import urllib.error
from collections.abc import Sequence

from lab.kernels import web

_NO_HEAD = {http.HTTPStatus.METHOD_NOT_ALLOWED, http.HTTPStatus.NOT_IMPLEMENTED}


def why_not(addresses: Sequence[str], bound_s: float) -> str | None:
    """Return None when one of these files can be downloaded, otherwise the reasons.

    All addresses are tried in parallel, each in a daemon thread that is not joined, because the name lookup
    (getaddrinfo) cannot be limited in time.

    Args:
        addresses: Addresses of the file.
        bound_s: Time limit in seconds.
    """
    deadline = time.monotonic() + bound_s
    answers: queue.Queue[tuple[str, str | None]] = queue.Queue()

    def ask(address: str) -> None:
        answers.put((address, _why_not(address, bound_s)))

    for address in addresses:
        threading.Thread(target=ask, args=(address,), daemon=True).start()
    reasons = {web.host(address): _silent(bound_s) for address in addresses}
    for _ in addresses:
        try:
            address, reason = answers.get(timeout=max(deadline - time.monotonic(), 0))
        except queue.Empty:
            break
        if reason is None:
            return None
        reasons[web.host(address)] = reason
    return "; ".join(f"{host}: {reason}" for host, reason in reasons.items())


def _why_not(address: str, bound_s: float) -> str | None:
    try:
        with web.open_address(address, method="HEAD", silence_s=bound_s):
            return None
    except urllib.error.HTTPError as error:
        if error.code in _NO_HEAD:
            return _first_byte(address, bound_s)
        return web.describe(error)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return _describe(error, bound_s)


def _first_byte(address: str, bound_s: float) -> str | None:
    """Request one byte from a server that does not support HEAD."""
    try:
        with web.open_address(address, headers={"Range": "bytes=0-0"}, silence_s=bound_s):
            return None
    except (OSError, http.client.HTTPException, ValueError) as error:
        return _describe(error, bound_s)


def _describe(error: Exception, bound_s: float) -> str:
    """Return a description of an error; any timeout is described by the time limit here."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    return _silent(bound_s) if isinstance(cause, TimeoutError) else web.describe(error)


def _silent(bound_s: float) -> str:
    return f"no answer within {bound_s:.1f} s"
