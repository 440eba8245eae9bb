"""Fetches a package that is given by its address: bounded in size, time and redirections, and whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO

from lab.errors import BadInput, BrokenEnvironment
from lab.work import Work

MOST_BYTES = 2_000_000_000
"""A kernel's package has up to 0.1 GB, one with debug information 1 GB."""

MOST_REDIRECTIONS = 5

SILENCE_S = 30.0
"""How long a server may say nothing."""

_BLOCK = 1 << 18

_SCHEMES = ("http", "https")


def is_address(text: str) -> bool:
    """Tell whether a text is an address of the web, not a path."""
    return urllib.parse.urlsplit(text).scheme in _SCHEMES


def fetch(address: str, directory: Path, work: Work) -> Path:
    """Fetch a file from the web.

    Args:
        address: Where it is: http or https.
        directory: Where it goes, under the name it has there.
        work: Told of the step; its cancellation ends it.

    Raises:
        BadInput: there is no such file.
        BrokenEnvironment: it cannot be reached, is too long, or came cut off; nothing of it stays.
        Cancelled: the work was cancelled; likewise.
    """
    name = PurePosixPath(urllib.parse.unquote(urllib.parse.urlsplit(address).path)).name or "package"
    target = directory / name
    try:
        with work.step(f"fetching {name}"), _opened(address) as answer, target.open("wb") as file:
            _copy(answer, file, work)
    except urllib.error.HTTPError as error:
        raise BadInput(f"{address}: the server says {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        target.unlink(missing_ok=True)
        raise BrokenEnvironment(f"{address} cannot be fetched: {error}", hint="try again, or give a file") from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return target


def sha256_of(path: Path, check: Callable[[], None] = lambda: None) -> str:
    """Give a file's SHA-256, in hexadecimal.

    Args:
        path: The file.
        check: Called now and then; what it raises ends the reading.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            check()
    return digest.hexdigest()


class _Redirections(urllib.request.HTTPRedirectHandler):
    """Follows a few redirections, and none that leaves the web (a `file:` would be read from this machine's disk)."""

    max_redirections = MOST_REDIRECTIONS

    def redirect_request(  # noqa: PLR0913, PLR0917  as its base has it
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Give what is asked for instead."""
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise urllib.error.URLError(f"it is sent on to {newurl}, without encryption")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opened(address: str) -> http.client.HTTPResponse:
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
    answer: http.client.HTTPResponse = opener.open(address, timeout=SILENCE_S)
    return answer


def _copy(answer: http.client.HTTPResponse, file: IO[bytes], work: Work) -> None:
    expected = int(answer.headers.get("Content-Length") or -1)
    if expected > MOST_BYTES:
        raise ValueError(f"it has {expected} bytes, more than {MOST_BYTES}")
    got = 0
    while block := answer.read(_BLOCK):
        got += len(block)
        if got > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES} bytes")
        file.write(block)
        work.check()
    if expected not in (-1, got):
        raise ValueError(f"only {got} of {expected} bytes came")
