"""Downloads a file with a size limit, resuming after a broken connection; the result is complete or absent."""

from __future__ import annotations

import hashlib
import http
import http.client
import json
import re
import time
import urllib.error
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.foundation.files import write_whole
from lab.foundation.work import Work
from lab.kernels import web

MOST_BYTES = 2_000_000_000
"""Most bytes of a download: a kernel package has up to 0.1 GB, one with debug information 1 GB."""

ATTEMPTS = 4
"""Consecutive attempts without progress before a download fails."""

PAUSE_S = 1.0
"""Pause before a download is resumed."""

_PROGRESS_PAUSE_S = 0.5
"""Interval between progress reports."""

_BLOCK = 1 << 16

_PARTIAL = http.HTTPStatus.PARTIAL_CONTENT
_BEYOND = http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE

_RANGE = re.compile(r"bytes (?P<start>\d+)-\d+/(?P<total>\d+)")
"""Content-Range: RFC 9110, 14.4."""


class FailedError(Exception):
    """A file cannot be downloaded; the text is the reason, without the address.

    Args:
        reason: The reason.
        is_refused: Whether the server was reached and refused the file.
    """

    def __init__(self, reason: str, *, is_refused: bool) -> None:
        super().__init__(reason)
        self.is_refused = is_refused


class BrokenOffError(Exception):
    """The connection ended before the file was complete."""


def fetch(address: str, directory: Path, work: Work) -> Path:
    """Download a file into a directory, named as in its address.

    Args:
        address: Address, http or https.
        directory: Target directory.
        work: Reports the step; its cancellation ends it.

    Raises:
        BadInput: there is no such file.
        BrokenEnvironment: it cannot be reached, is too long, or is incomplete; nothing of it is kept.
        Cancelled: the work was cancelled; nothing of it is kept.
    """
    name = PurePosixPath(urllib.parse.unquote(urllib.parse.urlsplit(address).path)).name or "package"
    partial = directory / f"{name}.part"
    try:
        resume(address, partial, work)
        return partial.replace(directory / name)
    except FailedError as error:
        if error.is_refused:
            raise BadInput(f"{web.redact(address)}: {error}") from error
        hint = "try again, or give a file"
        raise BrokenEnvironment(f"{web.redact(address)} cannot be fetched: {error}", hint=hint) from error
    finally:
        discard(partial)


def resume(address: str, partial: Path, work: Work, most_bytes: int | None = None) -> None:
    """Download a file, resuming an earlier download of it.

    Args:
        address: Address, http or https.
        partial: The partial file; complete on return. It is kept on failure.
        work: Reports the step and its progress; its cancellation ends it.
        most_bytes: Size limit; MOST_BYTES when None.

    Raises:
        FailedError: the server has no such file, cannot be reached, or disconnected repeatedly; or it is too long.
        Cancelled: the work was cancelled.
    """
    name = partial.name.removesuffix(".part")
    try:
        with work.step(f"downloading {name} from {web.host(address)}"):
            _download_all(address, partial, work, MOST_BYTES if most_bytes is None else most_bytes)
    except urllib.error.HTTPError as error:
        raise FailedError(web.describe(error), is_refused=True) from error
    except (OSError, http.client.HTTPException, ValueError, BrokenOffError) as error:
        raise FailedError(web.describe(error), is_refused=False) from error


def discard(partial: Path) -> None:
    """Remove a partial download."""
    partial.unlink(missing_ok=True)
    _state_file(partial).unlink(missing_ok=True)


def sha256_of(path: Path, check: Callable[[], None] = lambda: None) -> str:
    """Return a file's SHA-256 in hexadecimal.

    Args:
        path: The file.
        check: Called regularly; an exception from it ends the reading.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            check()
    return digest.hexdigest()


@dataclass(frozen=True)
class _PartialFile:
    """Identity of the file that a partial download belongs to.

    Attributes:
        address: Its address.
        validator: Its strong ETag or its date, which change with its content; empty for neither.
        total: Its length in bytes; None when the server did not send it.
    """

    address: str
    validator: str
    total: int | None


def _download_all(address: str, partial: Path, work: Work, most_bytes: int) -> None:
    failures = 0
    while True:
        before = _size(partial)
        try:
            _read_response(address, partial, work, most_bytes)
        except (BrokenOffError, ConnectionError, TimeoutError, http.client.HTTPException):
            failures = 0 if _size(partial) > before else failures + 1
            if failures == ATTEMPTS:
                raise
            work.wait_until(lambda: False, PAUSE_S)
        else:
            _state_file(partial).unlink(missing_ok=True)
            return


def _read_response(address: str, partial: Path, work: Work, most_bytes: int) -> None:
    """Request the missing rest and append it; request all if the server has another file or cannot resume."""
    there = _size(partial)
    known = _state(partial)
    if there and (known is None or known.address != web.redact(address)):
        there = 0
    try:
        answer = web.open_address(address, headers=_wanted(there, known))
    except urllib.error.HTTPError as error:
        if error.code != _BEYOND or not there:
            raise
        if known is not None and known.total == there:
            return
        discard(partial)
        raise BrokenOffError("the partial file does not match the server's file") from error
    with answer:
        encoding = answer.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise ValueError(f"the server sends it compressed ({encoding}), which was not requested")
        start, state = _described(answer, web.redact(address))
        if start and (known is None or start != there or state.total != known.total):
            discard(partial)
            raise BrokenOffError("the server resumed another file")
        if state.total is not None and state.total > most_bytes:
            raise ValueError(f"it has {state.total} bytes, more than {most_bytes}")
        write_whole(_state_file(partial), json.dumps(vars(state)))
        _append(answer, partial, start, state.total, work, most_bytes)


def _wanted(there: int, known: _PartialFile | None) -> Mapping[str, str]:
    if not there or known is None:
        return {}
    condition = {"If-Range": known.validator} if known.validator else {}
    return {"Range": f"bytes={there}-"} | condition


def _described(answer: http.client.HTTPResponse, address: str) -> tuple[int, _PartialFile]:
    """Return the offset at which a response starts, and the identity of its file."""
    tag = answer.headers.get("ETag", "")
    # A weak ETag does not mean equal bytes: RFC 9110, 13.1.5.
    validator = tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")
    if answer.status == _PARTIAL:
        match = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if match is None:
            raise ValueError("the server resumes it without a byte range")
        return int(match["start"]), _PartialFile(address, validator, int(match["total"]))
    length = answer.headers.get("Content-Length", "")
    return 0, _PartialFile(address, validator, int(length) if length.isdecimal() else None)


def _append(  # noqa: PLR0913, PLR0917  the data and its limits
    answer: http.client.HTTPResponse, partial: Path, start: int, total: int | None, work: Work, most_bytes: int
) -> None:
    got = start
    began = reported = time.monotonic()
    with partial.open("ab" if start else "wb") as file:
        while block := answer.read1(_BLOCK):
            got += len(block)
            if got > most_bytes:
                discard(partial)
                raise ValueError(f"it has more than {most_bytes} bytes")
            file.write(block)
            work.check()
            now = time.monotonic()
            if now - reported >= _PROGRESS_PAUSE_S:
                reported = now
                work.progressed(_progress(got, total, (got - start) / (now - began)))
    if total not in {None, got}:
        raise BrokenOffError(f"only {got} of {total} bytes arrived")


def _progress(got: int, total: int | None, rate: float) -> str:
    of = f" of {total / 1e6:.1f}" if total else ""
    return f"{got / 1e6:.1f}{of} MB, {rate / 1e6:.2f} MB/s"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _state_file(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _state(partial: Path) -> _PartialFile | None:
    try:
        return _PartialFile(**json.loads(_state_file(partial).read_text()))
    except (OSError, ValueError, TypeError):
        return None
