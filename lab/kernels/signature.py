"""Verifies an RPM's signature against one key in a temporary key ring; rpm's own digests are not trusted."""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path

from lab.foundation import process
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.work import Work
from lab.kernels import openpgp, rpm_file
from lab.kernels.openpgp import PublicKey

MOST_KEY_BYTES = 1_000_000
"""Size limit of a key file, which has a few kilobytes."""

_BOUND_S = 120.0
"""Timeout for gpgv, which reads a package once."""

_BLOCK = 1 << 20

_HASHES = {"8", "9", "10", "11"}
"""SHA-2: RFC 4880, 9.4. Package signatures with older hashes are rejected."""

_VALID = re.compile(
    r"^\[GNUPG:\] VALIDSIG (?P<fingerprint>[0-9A-F]{40}) \S+ \S+ \S+ \S+ \S+ \S+ (?P<hash>\d+) ", re.MULTILINE
)
"""GnuPG's doc/DETAILS. The fingerprint is that of the signing key."""


_REVOKED = re.compile(r"^\[GNUPG:\] REVKEYSIG ", re.MULTILINE)
"""GnuPG's doc/DETAILS."""


class RefusedError(Exception):
    """A key or a package is rejected; the text is the reason, in one line."""


def key(path: Path, fingerprint: str) -> PublicKey:
    """Return the key with this fingerprint from a key file.

    Raises:
        RefusedError: the file does not contain it.
    """
    if path.stat().st_size > MOST_KEY_BYTES:
        raise RefusedError(f"it is too large for a key file: {path.stat().st_size} bytes")
    try:
        keys = openpgp.keys(path.read_bytes())
    except openpgp.KeyFileError as error:
        raise RefusedError(str(error)) from error
    if not keys:
        raise RefusedError("it contains no key")
    for one in keys:
        if one.fingerprint == fingerprint:
            return one
    others = ", ".join(one.fingerprint for one in keys)
    raise RefusedError(f"it contains the key {others}, not the expected key {fingerprint}")


def verify(package: Path, by: PublicKey, work: Work) -> None:
    """Check that a whole RPM is signed by a key.

    Either a signature over header and payload, or one over a header that contains the payload's SHA-256.

    Args:
        package: The file.
        by: The only key that is accepted.
        work: Its cancellation ends the verification.

    Raises:
        RefusedError: it is not signed by the key.
        BrokenEnvironment: gpgv is not installed.
        Cancelled: the work was cancelled.
    """
    program = process.require("gpgv", "gpgv")
    try:
        rpm = rpm_file.read(package)
    except rpm_file.RpmFileError as error:
        raise RefusedError(str(error)) from error
    end = package.stat().st_size
    with tempfile.TemporaryDirectory(prefix="five-second-lab-keys-") as directory:
        scratch = Path(directory)
        if rpm.over_all is not None:
            _copy(package, scratch / "data", rpm.header_at, end, work)
            _verify(program, scratch, rpm.over_all, by, work)
        elif rpm.over_header is not None:
            _copy(package, scratch / "data", rpm.header_at, rpm.payload_at, work)
            _verify(program, scratch, rpm.over_header, by, work)
            _compare_payload(package, rpm, work)
        else:
            raise RefusedError("it is not signed")


def _compare_payload(package: Path, rpm: rpm_file.Rpm, work: Work) -> None:
    if rpm.payload_sha256 is None:
        raise RefusedError("its signature covers its header only, not its files")
    digest = hashlib.sha256()
    with package.open("rb") as file:
        file.seek(rpm.payload_at)
        while block := file.read(_BLOCK):
            digest.update(block)
            work.check()
    if digest.hexdigest() != rpm.payload_sha256:
        raise RefusedError("its files were changed after it was signed")


def _copy(package: Path, target: Path, start: int, end: int, work: Work) -> None:
    with package.open("rb") as file, target.open("wb") as data:
        file.seek(start)
        left = end - start
        while left and (block := file.read(min(left, _BLOCK))):
            data.write(block)
            left -= len(block)
            work.check()


def _verify(program: str, scratch: Path, signature: bytes, by: PublicKey, work: Work) -> None:
    """Verify a signature of `scratch/data` with gpgv, which is given no other key or key ring."""
    (scratch / "key.gpg").write_bytes(by.content)
    (scratch / "signature").write_bytes(signature)
    log = scratch / "gpgv.log"
    argv: list[str | Path] = [program, "--homedir", scratch, "--keyring", scratch / "key.gpg", "--status-fd", "1"]
    # No --weak-digest: it would also reject keys of that time, whose self-signatures use SHA-1.
    argv += [scratch / "signature", scratch / "data"]
    env = {"LC_ALL": "C", "GNUPGHOME": str(scratch)}
    try:
        process.run(argv, work=work, log=log, bound_s=_BOUND_S, env=env)
    except BrokenEnvironment as error:
        raise RefusedError(_reason(log)) from error
    output = log.read_text(errors="replace")
    valid = _VALID.search(output)
    # gpgv accepts a signature older than the revocation; here a revoked key is always rejected.
    if _REVOKED.search(output):
        raise RefusedError("the key that signed it was revoked")
    if valid is None or valid["fingerprint"] != by.fingerprint:
        raise RefusedError(_reason(log))
    if valid["hash"] not in _HASHES:
        raise RefusedError("its signature uses a hash that is no longer safe (MD5 or SHA-1)")


def _reason(log: Path) -> str:
    output = log.read_text(errors="replace")
    if "[GNUPG:] BADSIG " in output:
        return "it was changed after it was signed"
    other = re.search(r"^\[GNUPG:\] ERRSIG ([0-9A-F]+) \d+ \d+ \S+ \d+ 9\b", output, re.MULTILINE)
    if other:
        return f"it is signed by another key: {other[1]}"
    return f"its signature cannot be verified: {process.last_lines(log) or 'gpgv failed'}"
