"""Debian packages of a product, through this machine's own apt, from a repository on the loopback."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from lab.foundation.errors import BrokenEnvironment
from lab.foundation.work import Work
from lab.provision import debian_packages
from tests import vault
from tests.native.test_debian_suite import Repository, repository, repository_files, signer
from tests.vault import Web

__all__ = ["repository", "repository_files", "signer"]

HAS_LIBC = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 1
Maintainer: Lab <lab@example.com>
Description: installed
"""


@pytest.fixture(autouse=True)
def suite(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the repository's suite."""
    monkeypatch.setattr(debian_packages, "SUITE", "testing")


def fetched(cache: Path, names: Sequence[str], status: str = "") -> list[str]:
    """Fetch packages, and return the names of their files."""
    paths = debian_packages.fetch(names, status, cache, Work())
    assert all(path.read_bytes().startswith(b"!<arch>") for path in paths)
    return [path.name.split("_")[0] for path in paths]


def test_what_a_product_depends_on_comes_too_unless_the_machine_has_it(
    repository: tuple[Repository, Web], tmp_path: Path
) -> None:
    """The machine's own list of installed packages decides."""
    assert fetched(tmp_path, ["linux-kbuild-6.1"]) == ["libc6", "linux-kbuild-6.1"]
    assert fetched(tmp_path, ["linux-kbuild-6.1"], HAS_LIBC) == ["linux-kbuild-6.1"]
    assert fetched(tmp_path, ["libc6"], HAS_LIBC) == []
    assert repository[1].asked


def test_packages_are_downloaded_once(repository: tuple[Repository, Web], tmp_path: Path) -> None:
    """Afterwards no network is needed; a damaged file is downloaded again."""
    cache = tmp_path / "cache"
    fetched(cache, ["gcc-12", "libc6"])
    repository[1].asked.clear()

    assert fetched(cache, ["libc6", "gcc-12"]) == ["gcc-12", "libc6"]
    assert repository[1].asked == []
    next(cache.rglob("gcc-12_*.deb")).write_bytes(b"damaged")
    assert fetched(cache, ["gcc-12", "libc6"]) == ["gcc-12", "libc6"]
    assert repository[1].asked


@pytest.mark.usefixtures("repository")
def test_an_unknown_package_is_a_one_line_error(tmp_path: Path) -> None:
    """Nothing is kept."""
    with pytest.raises(BrokenEnvironment) as caught:
        fetched(tmp_path, ["no-such-agent"])

    assert caught.value.message == (
        "the Debian packages no-such-agent cannot be obtained: Unable to locate package no-such-agent"
    )
    assert list((tmp_path / "products").iterdir()) == []


def test_an_index_signed_by_another_key_is_refused(repository: tuple[Repository, Web], tmp_path: Path) -> None:
    """Keys that apt on this machine trusts do not matter."""
    with vault.signer("Stranger <stranger@example.com>") as stranger:
        repository[0].sign(stranger)

    with pytest.raises(BrokenEnvironment, match="the public key is not available"):
        fetched(tmp_path, ["libc6"])


def test_a_modified_package_is_refused(repository: tuple[Repository, Web], tmp_path: Path) -> None:
    """Its digest differs from the one in the signed index."""
    package = repository[0].directory / "pool/libc6_1_amd64.deb"
    content = package.read_bytes()
    package.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    with pytest.raises(BrokenEnvironment, match="Hash Sum mismatch"):
        fetched(tmp_path, ["libc6"])


def test_a_machine_without_a_network_gets_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what cannot be obtained and why."""
    monkeypatch.setenv("LAB_MIRROR", "http://127.0.0.1:1")

    with pytest.raises(BrokenEnvironment, match=r"the Debian packages libc6 cannot be obtained: .*Connection refused"):
        fetched(tmp_path, ["libc6"])
