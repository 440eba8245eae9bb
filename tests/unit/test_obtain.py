"""Obtaining known kernels from a vault on the loopback or a directory: verified, cached, one-line errors."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.foundation.errors import BadInput, BrokenEnvironment, LabError
from lab.foundation.home import PROVISION
from lab.foundation.work import Work
from lab.kernels import add, by_name, download, obtain
from lab.kernels.known import Known, get
from lab.kernels.source import Given
from lab.kernels.store import KernelStore
from tests import kernels, vault
from tests.command_line import lab
from tests.vault import Signer, Web, serving


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resume without a delay and use no proxy."""
    monkeypatch.setattr(download, "PAUSE_S", 0.0)
    monkeypatch.delenv("LAB_VAULT", raising=False)


@pytest.fixture(scope="module")
def signer() -> Iterator[Signer]:
    """Create the pinned key."""
    with vault.signer("Vault <vault@example.com>") as key:
        yield key


@pytest.fixture(scope="module")
def files(signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a vault: a kernel and its headers, signed, an unsigned one, one signed by a stranger, and the keys."""
    where = tmp_path_factory.mktemp("vault")
    release = vault.release(where / "1")
    shutil.copy(release / "kernel.rpm", release / "unsigned.rpm")
    shutil.copy(release / "kernel.rpm", release / "strange.rpm")
    for name in ("kernel.rpm", "kernel-devel.rpm"):
        signer.sign(release / name)
    content = (release / "kernel.rpm").read_bytes()
    (release / "tampered.rpm").write_bytes(content[:-50] + bytes([content[-50] ^ 1]) + content[-49:])
    signer.export(release / "KEY")
    with vault.signer("Stranger <stranger@example.com>") as stranger:
        stranger.sign(release / "strange.rpm")
        stranger.export(release / "STRANGE-KEY")
    return where


@pytest.fixture
def web(files: Path, tmp_path: Path) -> Iterator[Web]:
    """Serve the vault."""
    shutil.copytree(files / "1", tmp_path / "web" / "1", copy_function=shutil.copyfile)
    with serving(tmp_path / "web") as served:
        yield served


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Return an empty user cache directory."""
    return tmp_path / "cache"


def obtained(known: Known, cache: Path, source_dir: Path | None = None) -> list[Path]:
    """Obtain packages."""
    return list(obtain.obtain(known, cache=cache, source_dir=source_dir, work=Work()))


def refused(known: Known, cache: Path, source_dir: Path | None = None) -> LabError:
    """Check that packages are refused in one line and none is kept."""
    with pytest.raises(LabError) as caught:
        obtained(known, cache, source_dir)
    assert "\n" not in caught.value.message
    assert not obtain.is_cached(known, cache)
    leftovers = [path.name for path in (cache / "packages" / "mine-1").iterdir()]
    assert [name for name in leftovers if not name.startswith("kernel.rpm.part")] == []
    return caught.value


def test_cached_packages_need_no_network(web: Web, signer: Signer, cache: Path) -> None:
    """This holds for every lab of the user."""
    known = vault.known(web.address, signer.fingerprint, "kernel.rpm", "kernel-devel.rpm")
    assert not obtain.is_cached(known, cache)
    paths = obtained(known, cache)

    assert [path.name for path in paths] == ["kernel.rpm", "kernel-devel.rpm"]
    assert all(path.read_bytes() == (web.directory / "1" / path.name).read_bytes() for path in paths)
    assert obtain.is_cached(known, cache)
    web.asked.clear()
    assert obtained(known, cache) == paths
    assert web.asked == []


def test_a_damaged_or_differently_signed_cache_is_not_used(web: Web, signer: Signer, cache: Path) -> None:
    """A file may be truncated, and the pinned key may have changed."""
    known = vault.known(web.address, signer.fingerprint)
    (path,) = obtained(known, cache)
    assert known.key is not None
    assert not obtain.is_cached(replace(known, key=replace(known.key, fingerprint="0" * 40)), cache)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert not obtain.is_cached(known, cache)
    obtained(known, cache)
    assert path.read_bytes() == whole
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))  # like a bad disk
    obtained(known, cache)
    assert path.read_bytes() == whole


def test_a_download_that_broke_off_is_resumed_by_the_next_command(web: Web, signer: Signer, cache: Path) -> None:
    """Until then it is a partial file, never a package."""
    known = vault.known(web.address, signer.fingerprint)
    obtain.obtain(replace(known, packages=("1/kernel-devel.rpm",)), cache=cache, source_dir=None, work=Work())
    shutil.rmtree(cache / "packages" / "mine-1")
    web.cut_after, web.resumes = 1000, False
    with pytest.raises(BrokenEnvironment, match="only 1000 of"):
        obtained(known, cache)
    assert {path.name for path in (cache / "packages" / "mine-1").iterdir()} == {
        "kernel.rpm.part",
        "kernel.rpm.part.json",
    }
    web.cut_after, web.resumes = None, True
    obtained(known, cache)

    assert web.ranges()[-1] == "bytes=1000-"


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("tampered.rpm", "it was changed after it was signed"),
        ("unsigned.rpm", "it is not signed"),
        ("strange.rpm", "it is signed by another key: "),
        ("KEY", "it is not an RPM"),
    ],
)
@pytest.mark.parametrize("way", ["vault", "directory"])
def test_a_package_that_is_not_the_signers_is_refused_and_not_kept(  # noqa: PLR0913, PLR0917  its fixtures
    web: Web, signer: Signer, cache: Path, file: str, reason: str, way: str
) -> None:
    """Web and directory are treated alike."""
    known = vault.known(web.address, signer.fingerprint, file)
    directory = web.directory / "1" if way == "directory" else None
    error = refused(known, cache, directory)

    assert isinstance(error, BadInput if directory else BrokenEnvironment)
    assert error.message.startswith(f"{file} from {directory or web.address.removeprefix('http://')} is rejected: ")
    assert reason in error.message


def test_a_key_with_another_fingerprint_is_refused_before_any_package_is_downloaded(
    web: Web, signer: Signer, cache: Path
) -> None:
    """All verification rests on the key."""
    known = vault.known(web.address, signer.fingerprint)
    shutil.copy(web.directory / "1/STRANGE-KEY", web.directory / "1/KEY")
    error = refused(known, cache)

    assert "the signing key of mine:1 cannot be obtained" in error.message
    assert f"not the expected key {signer.fingerprint}" in error.message
    assert [path for _, path, _ in web.asked] == ["/1/KEY"]
    caught = refused(known, cache, web.directory / "1")
    assert f"the key file {web.directory / '1/KEY'} is rejected" in caught.message
    assert not (cache / "packages/keys").exists() or not list((cache / "packages/keys").iterdir())


def test_without_a_network_the_error_lists_all_sources_and_remedies(signer: Signer, cache: Path) -> None:
    """It is one line with exit status 3."""
    error = refused(vault.known("http://127.0.0.1:1", signer.fingerprint), cache)

    assert error.message == "the signing key of mine:1 cannot be obtained: 127.0.0.1:1: Connection refused"
    assert error.hint is not None
    assert "LAB_VAULT" in error.hint
    assert "--from" in error.hint
    assert error.exit_status == 3


@pytest.mark.parametrize("verified", [True, False])
def test_a_missing_file_says_whether_its_name_was_verified(
    web: Web, signer: Signer, cache: Path, *, verified: bool
) -> None:
    """A 404 for an unverified name is probably an error in the data."""
    error = refused(vault.known(web.address, signer.fingerprint, "absent.rpm", checked=verified), cache)

    assert "the server returned 404 Not Found" in error.message
    assert ("never checked" in error.message) != verified


def test_the_next_base_is_tried_where_the_first_does_not_have_it(web: Web, signer: Signer, cache: Path) -> None:
    """Mirrors come and go."""
    known = vault.known(web.address, signer.fingerprint)
    assert len(obtained(replace(known, bases=("http://127.0.0.1:1", web.address)), cache)) == 1


def test_lab_vault_replaces_all_bases(web: Web, signer: Signer, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who names a mirror wants no other one."""
    known = vault.known("http://127.0.0.1:1", signer.fingerprint)
    monkeypatch.setenv("LAB_VAULT", f"{web.address}/")
    assert obtain.bases(known) == (web.address,)
    assert len(obtained(known, cache)) == 1
    monkeypatch.setenv("LAB_VAULT", "/srv/mirror")
    with pytest.raises(BadInput, match="LAB_VAULT is not a web address"):
        obtain.bases(known)
    assert obtain.can_download(known) == "LAB_VAULT is not a web address: it must be http:// or https:// and a host"


def test_a_directory_is_enough_and_fills_the_cache(web: Web, signer: Signer, cache: Path) -> None:
    """With the key's file beside the packages no network is needed, now or later."""
    known = vault.known("http://127.0.0.1:1", signer.fingerprint, "kernel.rpm", "kernel-devel.rpm")
    assert len(obtained(known, cache, web.directory / "1")) == 2
    assert obtain.is_cached(known, cache)
    assert web.asked == []
    (web.directory / "1/kernel-devel.rpm").unlink()
    shutil.rmtree(cache)
    with pytest.raises(BadInput, match=r"has no kernel-devel\.rpm"):
        obtained(known, cache, web.directory / "1")


@pytest.mark.parametrize("address", ["http://[", "https://", "ftp://example.com", "vault.example.com"])
def test_an_invalid_address_is_a_one_line_error(tmp_path: Path, address: str) -> None:
    """Unbalanced brackets, no host or another scheme must not crash the lab."""
    by_vault = lab(tmp_path, "kernel", "add", "centos:7.0.1406", LAB_VAULT=address)
    typed = lab(tmp_path, "kernel", "add", f"{address}/kernel.rpm")

    assert (by_vault.returncode, typed.returncode) == (2, 2)
    assert "LAB_VAULT is not a web address" in by_vault.stderr
    assert "there is no such file" in typed.stderr


@pytest.mark.parametrize("address", ["http://[", "file:/srv/debian"])
def test_an_unreachable_debian_mirror_is_a_reason_not_a_crash(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """A matrix lists the reason beside each of Debian's kernels."""
    monkeypatch.setenv("LAB_MIRROR", address)
    assert obtain.can_download(get(PROVISION, "debian:12")) == f"the Debian mirror has no web address: {address}"


def test_availability_is_decided_before_a_timeout(web: Web, signer: Signer) -> None:
    """`lab up` waits for the answer, so a hanging server must not block it."""
    known = vault.known(web.address, signer.fingerprint)
    assert obtain.can_download(known) is None
    web.hangs = True
    began = time.monotonic()
    reason = obtain.can_download(known, 0.5)
    assert time.monotonic() - began < 3
    assert reason == f"{web.address.removeprefix('http://')}: no answer within 0.5 s"
    assert obtain.can_download(replace(known, bases=("http://127.0.0.1:1",))) == "127.0.0.1:1: Connection refused"


@pytest.mark.parametrize("package", ["kernel.rpm", "tampered.rpm"])
def test_a_package_of_an_interrupted_command_is_verified_again(
    web: Web, signer: Signer, cache: Path, package: str
) -> None:
    """It may be incomplete; only a verified one saves a download."""
    known = vault.known(web.address, signer.fingerprint)
    directory = cache / "packages" / "mine-1"
    directory.mkdir(parents=True)
    shutil.copy(web.directory / "1" / package, directory / "kernel.rpm")
    (path,) = obtained(known, cache)

    assert path.read_bytes() == (web.directory / "1/kernel.rpm").read_bytes()
    requests = [path for _, path, _ in web.asked]
    assert ("/1/kernel.rpm" in requests) == (package == "tampered.rpm")


def test_a_known_kernel_is_added_once_under_its_own_name(web: Web, signer: Signer, cache: Path, tmp_path: Path) -> None:
    """Its headers are included; the second time nothing is done, not even a request."""
    store = KernelStore(tmp_path / "kernels")
    known = vault.known(web.address, signer.fingerprint, "kernel.rpm", "kernel-devel.rpm")
    kernel, new = by_name.ensure_added(store, known, cache=cache, work=Work())

    assert (kernel.name, kernel.release, kernel.headers, new) == ("mine-1", kernels.RELEASE, True, True)
    shutil.rmtree(cache)
    assert by_name.ensure_added(store, known, cache=cache, work=Work()) == (kernel, False)
    with pytest.raises(BadInput, match="it is not mine:1: its release is"):
        by_name.ensure_added(store, replace(known, release="5.0"), cache=cache, work=Work())


def test_a_manually_added_kernel_does_not_count_as_a_known_one(
    web: Web, signer: Signer, cache: Path, tmp_path: Path
) -> None:
    """Its packages were not verified, whatever its name and release."""
    store = KernelStore(tmp_path / "kernels")
    known = vault.known(web.address, signer.fingerprint)
    add.add(store, Given([str(web.directory / "1" / "unsigned.rpm")]), known.store_name, (), Work())

    with pytest.raises(BadInput, match=r"it is not mine:1: it was added from .*unsigned\.rpm, and no signature was"):
        by_name.ensure_added(store, known, cache=cache, work=Work())
    assert store.made_of("mine:1") is None
    kernel, new = by_name.ensure_added(store, known, cache=cache, work=Work(), name="verified")
    assert (kernel.known, new, store.made_of("mine:1")) == ("mine:1", True, kernel)


def test_signed_packages_of_another_kernel_are_refused(web: Web, signer: Signer, cache: Path, tmp_path: Path) -> None:
    """A mirror could serve an old package of the same signer under a new name."""
    store = KernelStore(tmp_path / "kernels")
    other = replace(vault.known(web.address, signer.fingerprint), release="3.10.0-123.el7.x86_64")
    with pytest.raises(BadInput, match=r"the packages hold kernel 4\.18\.0-test\.x86_64, not 3\.10\.0-123"):
        by_name.ensure_added(store, other, cache=cache, work=Work())
    assert store.names() == []


def test_without_disk_space_nothing_is_downloaded(
    web: Web, signer: Signer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the disk would fill up half-way."""
    monkeypatch.setattr(obtain, "NEEDED_MB", 10**9)
    with pytest.raises(BrokenEnvironment, match="no space"):
        obtained(vault.known(web.address, signer.fingerprint), cache)
    assert web.asked == []


def test_the_users_own_key_ring_is_neither_read_nor_written(
    web: Web, signer: Signer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys trusted for other purposes do not count, and none is added."""
    home = tmp_path / "gnupg"
    home.mkdir(0o700)
    shutil.copy(signer.export(tmp_path / "binary", armored=False), home / "trustedkeys.kbx")
    monkeypatch.setenv("GNUPGHOME", str(home))
    monkeypatch.setenv("HOME", str(tmp_path))
    error = refused(vault.known(web.address, signer.fingerprint, "strange.rpm"), cache)

    assert "signed by another key" in error.message
    assert [path.name for path in home.iterdir()] == ["trustedkeys.kbx"]


def test_a_failed_download_is_one_line_with_its_exit_status(tmp_path: Path) -> None:
    """This is a user's case: no network and a CentOS name."""
    result = lab(tmp_path, "kernel", "add", "centos:7.0.1406", "--json", LAB_VAULT="http://127.0.0.1:1")

    assert result.returncode == 3
    error = json.loads(result.stdout)["error"]
    assert "the signing key of centos:7.0.1406 cannot be obtained: 127.0.0.1:1: Connection refused" in error["message"]
