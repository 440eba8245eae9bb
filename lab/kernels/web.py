"""Opens web addresses: limited redirections and timeouts, the user's proxies, no credentials in messages."""

from __future__ import annotations

import base64
import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import IO

from lab.foundation.printable import printable

MOST_REDIRECTIONS = 5

SILENCE_S = 30.0
"""Timeout for a server that sends nothing."""

_MOST_WORDS = 300
"""Most characters of a server's text in a message."""

_SCHEMES = ("http", "https")


def is_address(text: str) -> bool:
    """Return whether a text is a web address: http or https, with a host."""
    try:
        parts = urllib.parse.urlsplit(text)
    except ValueError:  # mismatched brackets, for example
        return False
    return parts.scheme in _SCHEMES and bool(parts.hostname)


def redact(address: str) -> str:
    """Return an address without user name and password, for messages and logs."""
    parts = urllib.parse.urlsplit(address)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def host(address: str) -> str:
    """Return the host and port of an address."""
    return urllib.parse.urlsplit(redact(address)).netloc


def describe(error: Exception) -> str:
    """Return a one-line description of an error, safe for any text from the server."""
    if isinstance(error, urllib.error.HTTPError):
        if str(error.reason).startswith(urllib.request.HTTPRedirectHandler.inf_msg):
            return f"the server redirects more than {MOST_REDIRECTIONS} times"
        return _printable(f"the server returned {error.code} {error.reason}")
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    in_short = reason.strerror if isinstance(reason, OSError) else None
    return _printable(in_short or str(reason)) or type(reason).__name__


def _printable(text: str) -> str:
    """Return a server's text without control characters."""
    return printable(" ".join(text[:_MOST_WORDS].split()))


def open_address(
    address: str, *, headers: Mapping[str, str] | None = None, method: str = "GET", silence_s: float = SILENCE_S
) -> http.client.HTTPResponse:
    """Request a file and return the response.

    Args:
        address: Address, http or https; a user name and password in it are sent to its own host only.
        headers: Additional headers.
        method: GET or HEAD.
        silence_s: Timeout in seconds for a server that sends nothing.

    Raises:
        urllib.error.HTTPError: the server refuses.
        OSError: it cannot be reached (includes urllib.error.URLError).
        http.client.HTTPException: its answer is not HTTP.
        ValueError: the address is invalid.
    """
    request = urllib.request.Request(redact(address), method=method, headers=dict(headers or {}))  # noqa: S310  see _opener
    # A compressed transfer could not be resumed.
    request.add_header("Accept-Encoding", "identity")
    parts = urllib.parse.urlsplit(address)
    if parts.username is not None:
        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
    try:
        answer: http.client.HTTPResponse = _opener().open(request, timeout=silence_s)
    except urllib.error.HTTPError as error:
        error.close()
        raise
    return answer


class _Redirections(urllib.request.HTTPRedirectHandler):
    """Follows a few redirections to http and https only (a `file:` would be read from this machine's disk)."""

    max_redirections = MOST_REDIRECTIONS

    def redirect_request(  # noqa: PLR0913, PLR0917  signature of the base class
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the redirected request."""
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise urllib.error.URLError(f"it redirects to {redact(newurl)}, without encryption")
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None:
            request.method = req.get_method()
        return request


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener for http and https, without `file:` and `ftp:`."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        _Redirections(),
    ):
        opener.add_handler(handler)
    return opener
