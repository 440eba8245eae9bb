"""RPM signatures: which keys count, what a signature must cover, and the messages of a refusal."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.foundation.errors import BrokenEnvironment
from lab.foundation.work import Work
from lab.kernels import openpgp, rpm_file, signature
from tests import vault
from tests.vault import Signer


@pytest.fixture(scope="module")
def ours() -> Iterator[Signer]:
    """Create the pinned key."""
    with vault.signer("Vault <vault@example.com>") as signer:
        yield signer


@pytest.fixture(scope="module")
def theirs() -> Iterator[Signer]:
    """Create a key that is not pinned."""
    with vault.signer("Stranger <stranger@example.com>") as signer:
        yield signer


@pytest.fixture(scope="module")
def unsigned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create an RPM without a signature; it has digests."""
    return vault.package(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def key(ours: Signer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the pinned key's file."""
    return ours.export(tmp_path_factory.mktemp("key") / "KEY")


@pytest.fixture(scope="module")
def signed(ours: Signer, unsigned: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Sign the RPM in both possible ways."""
    where = tmp_path_factory.mktemp("signed")
    forms = {"whole": True, "header": False}
    return {
        name: ours.sign(Path(shutil.copy(unsigned, where / f"{name}.rpm")), whole=whole).read_bytes()
        for name, whole in forms.items()
    }


def refusal(content: bytes, by: openpgp.PublicKey, tmp_path: Path) -> str:
    """Return why a package is refused; an empty text when it is accepted."""
    package = tmp_path / "a.rpm"
    package.write_bytes(content)
    try:
        signature.verify(package, by, Work())
    except signature.RefusedError as error:
        return str(error)
    return ""


def in_payload(content: bytes) -> bytes:
    """Change a byte of an RPM's files."""
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def in_header(content: bytes) -> bytes:
    """Change a byte of an RPM's header."""
    at = content.rindex(b"A kernel.")
    return content[:at] + b"B" + content[at + 1 :]


def cut_off(content: bytes) -> bytes:
    """Truncate an RPM."""
    return content[:-20]


def longer(content: bytes) -> bytes:
    """Append bytes to an RPM."""
    return content + b"more"


DAMAGE: list[Callable[[bytes], bytes]] = [in_payload, in_header, cut_off, longer]


@pytest.mark.parametrize("form", ["whole", "header"])
def test_a_package_that_the_pinned_key_signed_is_accepted(
    ours: Signer, key: Path, signed: dict[str, bytes], tmp_path: Path, form: str
) -> None:
    """The signature covers header and payload as in CentOS 7, or a header with the payload's SHA-256."""
    assert refusal(signed[form], signature.key(key, ours.fingerprint), tmp_path) == ""


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("form", ["whole", "header"])
def test_a_package_modified_anywhere_is_refused(  # noqa: PLR0913, PLR0917  its fixtures
    ours: Signer, key: Path, signed: dict[str, bytes], tmp_path: Path, form: str, damage: Callable[[bytes], bytes]
) -> None:
    """Files, header, end, and appended bytes are tested."""
    reason = refusal(damage(signed[form]), signature.key(key, ours.fingerprint), tmp_path)

    assert reason.endswith("changed after it was signed")


def test_digests_alone_are_no_signature(ours: Signer, key: Path, unsigned: Path, tmp_path: Path) -> None:
    """`rpmkeys --checksig` prints OK for such a package; an attacker can change digests, too."""
    assert refusal(unsigned.read_bytes(), signature.key(key, ours.fingerprint), tmp_path) == "it is not signed"
    result = subprocess.run(["rpmkeys", "--checksig", unsigned], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout.strip().endswith("OK")) == (0, True)


def test_a_signature_of_the_header_counts_only_with_a_digest_of_the_files(
    ours: Signer, key: Path, signed: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packages from before 2017 have none there, so their files are unprotected."""
    monkeypatch.setattr(rpm_file, "_PAYLOAD_DIGESTS", 1)

    reason = refusal(signed["header"], signature.key(key, ours.fingerprint), tmp_path)
    assert reason == "its signature covers its header only, not its files"


def test_a_package_that_another_key_signed_is_refused_with_that_keys_id(
    ours: Signer, theirs: Signer, key: Path, unsigned: Path, tmp_path: Path
) -> None:
    """The id helps to look up the key's owner."""
    other = theirs.sign(Path(shutil.copy(unsigned, tmp_path / "other.rpm")))

    reason = refusal(other.read_bytes(), signature.key(key, ours.fingerprint), tmp_path)
    assert reason == f"it is signed by another key: {theirs.fingerprint[-16:]}"


def test_a_key_file_counts_only_with_the_pinned_key_and_only_for_it(
    ours: Signer, theirs: Signer, unsigned: Path, tmp_path: Path
) -> None:
    """Another key in the same file is not imported."""
    both = tmp_path / "both"
    both.write_bytes(theirs.export(tmp_path / "theirs").read_bytes() + ours.export(tmp_path / "ours").read_bytes())
    by = signature.key(both, ours.fingerprint)
    other = theirs.sign(Path(shutil.copy(unsigned, tmp_path / "other.rpm")))

    assert "signed by another key" in refusal(other.read_bytes(), by, tmp_path)
    with pytest.raises(signature.RefusedError, match=f"it contains the key {theirs.fingerprint}, not the expected key"):
        signature.key(tmp_path / "theirs", ours.fingerprint)


def test_a_package_of_a_key_that_was_revoked_is_refused(unsigned: Path, tmp_path: Path) -> None:
    """The fingerprint stays the same after a revocation, and gpgv alone accepts the signature."""
    with vault.signer("Vault <vault@example.com>") as signer:
        package = signer.sign(Path(shutil.copy(unsigned, tmp_path / "signed.rpm"))).read_bytes()
        before = signature.key(signer.export(tmp_path / "before"), signer.fingerprint)
        signer.revoke()
        after = signature.key(signer.export(tmp_path / "after"), signer.fingerprint)

    assert refusal(package, before, tmp_path) == ""
    assert refusal(package, after, tmp_path) == "the key that signed it was revoked"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>404</html>", "not an OpenPGP key file"),
        (b"", "contains no key"),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!!\n-----END PGP PUBLIC KEY BLOCK-----\n", "armor is damaged"),
        (b"\x99\xff\xff", "truncated"),
        (b"x" * (signature.MOST_KEY_BYTES + 1), "too large for a key file"),
    ],
)
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    """Example: the page of a captive portal."""
    (tmp_path / "KEY").write_bytes(content)
    with pytest.raises(signature.RefusedError, match=reason):
        signature.key(tmp_path / "KEY", "0" * 40)


def test_a_key_file_may_be_binary(ours: Signer, tmp_path: Path) -> None:
    """Both formats are in use."""
    binary = ours.export(tmp_path / "binary", armored=False)
    assert signature.key(binary, ours.fingerprint) == signature.key(ours.export(tmp_path / "text"), ours.fingerprint)


def test_a_key_file_is_parsed_with_any_whitespace(ours: Signer, tmp_path: Path) -> None:
    """Copies differ in line length, CRLF and headers."""
    text = ours.export(tmp_path / "text").read_bytes()
    expected = signature.key(tmp_path / "text", ours.fingerprint)
    head, body = text.split(b"\n\n", 1)
    lines = body.split(b"\n")
    joined = b"        ".join(lines[:5]) + b"\n" + b"\n".join(lines[5:])
    for copy in (
        text.replace(b"\n", b"\r\n"),
        head + b"\n\n" + joined,
        head + b"\nVersion: rpm-4.11.3 (NSS-3)\nComment: of 2014\n\n" + body,
        b"Some words before it.\n" + text + b"and after it\n",
    ):
        (tmp_path / "copy").write_bytes(copy)
        assert signature.key(tmp_path / "copy", ours.fingerprint) == expected


def test_without_gpgv_the_error_says_what_to_install(
    ours: Signer, key: Path, signed: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No package counts as verified then."""
    monkeypatch.setattr("lab.foundation.process.find", lambda _program: None)
    with pytest.raises(BrokenEnvironment, match="gpgv is not installed") as caught:
        refusal(signed["whole"], signature.key(key, ours.fingerprint), tmp_path)
    assert caught.value.hint == "install it: apt-get install --no-install-recommends gpgv"


def test_rpmkeys_accepts_and_refuses_the_same_packages(  # noqa: PLR0913, PLR0917  its fixtures
    ours: Signer, theirs: Signer, key: Path, unsigned: Path, signed: dict[str, bytes], tmp_path: Path
) -> None:
    """An independent oracle: rpmkeys with required signatures and a separate database."""
    other = theirs.sign(Path(shutil.copy(unsigned, tmp_path / "other.rpm"))).read_bytes()
    packages = {"unsigned": unsigned.read_bytes(), "other": other} | signed
    packages |= {f"{name} {change.__name__}": change(whole) for name, whole in signed.items() for change in DAMAGE}
    database = tmp_path / "rpm"
    subprocess.run(["rpmkeys", "--dbpath", database, "--import", key], check=True)
    by = signature.key(key, ours.fingerprint)

    for name, content in packages.items():
        ours_says = not refusal(content, by, tmp_path)
        command: list[str | Path] = ["rpmkeys", "--dbpath", database, "--define", "_pkgverify_level signature"]
        command += ["--checksig", tmp_path / "a.rpm"]
        rpm_says = subprocess.run(command, capture_output=True, check=False).returncode == 0
        assert ours_says == rpm_says == (name in signed), name


TIME = 1_404_000_000
"""June 2014."""


class Key2014:
    """A key and signatures in the formats of 2014: self-signature by SHA-1, packages by version 3."""

    def __init__(self) -> None:
        self._private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        numbers = self._private.public_key().public_numbers()
        self._body = b"\x04" + struct.pack(">IB", TIME, 1) + _mpi(numbers.n) + _mpi(numbers.e)
        self._hashed = b"\x99" + struct.pack(">H", len(self._body)) + self._body
        self.fingerprint = hashlib.sha1(self._hashed, usedforsecurity=False).hexdigest().upper()

    def public(self) -> bytes:
        """Return the key file: RFC 4880, 11.1."""
        user = b"CentOS-like <security@example.com>"
        inner = b"\x05\x02" + struct.pack(">I", TIME) + b"\x02\x1b\x03"
        head = b"\x04\x13\x01\x02" + struct.pack(">H", len(inner)) + inner
        signed = self._hashed + b"\xb4" + struct.pack(">I", len(user)) + user
        signed += head + b"\x04\xff" + struct.pack(">I", len(head))
        outer = b"\x09\x10" + bytes.fromhex(self.fingerprint[-16:])
        ends = struct.pack(">H", len(outer)) + outer + self._signature(signed, hashes.SHA1())  # noqa: S303  as then
        return _packet(6, self._body) + _packet(13, user) + _packet(2, head + ends)

    def over(self, data: bytes, *, algorithm: hashes.HashAlgorithm, number: int) -> bytes:
        """Return a signature packet of version 3: RFC 4880, 5.2.2."""
        tail = b"\x00" + struct.pack(">I", TIME)
        body = b"\x03\x05" + tail + bytes.fromhex(self.fingerprint[-16:]) + bytes([1, number])
        return _packet(2, body + self._signature(data + tail, algorithm))

    def _signature(self, signed: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
        digest = hashes.Hash(algorithm)
        digest.update(signed)
        number = int.from_bytes(self._private.sign(signed, padding.PKCS1v15(), algorithm))
        return digest.finalize()[:2] + _mpi(number)


def _mpi(number: int) -> bytes:
    return struct.pack(">H", number.bit_length()) + number.to_bytes((number.bit_length() + 7) // 8)


def _packet(tag: int, body: bytes) -> bytes:
    return bytes([0x80 | tag << 2 | 1]) + struct.pack(">H", len(body)) + body


def _with_signature(package: Path, blob: bytes) -> bytes:
    """Prepend a signature of header and payload (tag 1002, RPMSIGTAG_PGP) to an RPM's header."""
    content = package.read_bytes()
    header = b"\x8e\xad\xe8\x01" + bytes(4) + struct.pack(">II", 1, len(blob))
    header += struct.pack(">IIII", 1002, 7, 0, len(blob)) + blob
    return content[:96] + header + bytes(-len(header) % 8) + content[rpm_file.read(package).header_at :]


@pytest.mark.parametrize(
    ("algorithm", "number", "reason"),
    [
        (hashes.SHA256(), 8, ""),
        (hashes.SHA1(), 2, "its signature uses a hash that is no longer safe (MD5 or SHA-1)"),  # noqa: S303
    ],
    ids=["SHA-256", "SHA-1"],
)
def test_signatures_of_2014_are_verified_but_sha1_is_refused(
    unsigned: Path, tmp_path: Path, algorithm: hashes.HashAlgorithm, number: int, reason: str
) -> None:
    """CentOS 7.0's packages have version 3 signatures by SHA-256; its key's self-signature is by SHA-1."""
    signer = Key2014()
    data = unsigned.read_bytes()[rpm_file.read(unsigned).header_at :]
    package = _with_signature(unsigned, signer.over(data, algorithm=algorithm, number=number))
    (tmp_path / "KEY").write_bytes(signer.public())
    by = signature.key(tmp_path / "KEY", signer.fingerprint)

    assert refusal(package, by, tmp_path) == reason
    if not reason:
        assert "after it was signed" in refusal(in_payload(package), by, tmp_path)


@given(st.binary(max_size=300) | st.builds(lambda tail: b"\x99\x01\x0d\x04" + tail, st.binary(max_size=300)))
def test_any_key_file_is_parsed_or_refused(content: bytes) -> None:
    """It comes from the network, unverified."""
    with contextlib.suppress(openpgp.KeyFileError):
        openpgp.keys(content)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_rpm_headers_are_parsed_or_refused(unsigned: Path, tmp_path: Path, data: st.DataObject) -> None:
    """Bytes of a real RPM are altered at random; it comes from the network, too."""
    content = bytearray(unsigned.read_bytes())
    for at, byte in data.draw(
        st.dictionaries(st.integers(0, len(content) - 1), st.integers(0, 255), max_size=8)
    ).items():
        content[at] = byte
    path = tmp_path / "altered.rpm"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(rpm_file.RpmFileError):
        rpm_file.read(path)
