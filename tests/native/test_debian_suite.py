"""Kernels of a Debian suite, through this machine's own apt, from a repository on the loopback."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import pytest

from lab.foundation.errors import BadInput, BrokenEnvironment, LabError
from lab.foundation.work import Work
from lab.kernels import apt, obtain
from lab.kernels.known import Known
from tests import kernels, vault
from tests.vault import Signer, Web, serving

KERNEL = Known(
    name="debian:test",
    release="6.1",
    packages=("linux-image-cloud-amd64", "linux-headers-cloud-amd64"),
    bases=(),
    key=None,
    suite="testing",
    checked=True,
    era=None,
    measured=None,
)

DEPENDS = {
    "linux-image-cloud-amd64": "linux-image-6.1.0-1-cloud-amd64",
    "linux-headers-cloud-amd64": "linux-headers-6.1.0-1-cloud-amd64",
    "linux-image-6.1.0-1-cloud-amd64": "kmod, linux-base (>= 4.3)",
    "linux-headers-6.1.0-1-cloud-amd64": "linux-headers-6.1.0-1-common, linux-kbuild-6.1, linux-compiler-gcc-12-x86",
    "linux-headers-6.1.0-1-common": "",
    "linux-kbuild-6.1": "libc6",
    "linux-compiler-gcc-12-x86": "gcc-12",
    "linux-base": "",
    "kmod": "",
    "libc6": "",
    "gcc-12": "",
}
"""Packages as in Debian 12: two metapackages, a kernel's packages and their other dependencies."""

OF_THE_KERNEL = {
    "linux-image-6.1.0-1-cloud-amd64",
    "linux-headers-6.1.0-1-cloud-amd64",
    "linux-headers-6.1.0-1-common",
    "linux-kbuild-6.1",
}


@dataclass(frozen=True)
class Repository:
    """A test repository.

    Attributes:
        directory: Directory that is served.
        signer: The key that signs its index.
        keyring: The key's file.
    """

    directory: Path
    signer: Signer
    keyring: Path

    def sign(self, signer: Signer) -> None:
        """Sign the repository's index."""
        where = self.directory / "dists/testing"
        (where / "InRelease").unlink(missing_ok=True)
        command: list[str | Path] = ["gpg", "--homedir", signer.home, "--batch", "--clearsign", "--output"]
        subprocess.run([*command, where / "InRelease", where / "Release"], check=True, capture_output=True)


@pytest.fixture(scope="module")
def signer() -> Iterator[Signer]:
    """Create the key that stands for Debian's archive key."""
    with vault.signer("Archive <archive@example.com>") as key:
        yield key


@pytest.fixture(scope="module")
def repository_files(signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Create a signed repository."""
    directory = tmp_path_factory.mktemp("repository")
    (directory / "pool").mkdir()
    paragraphs = []
    for name, depends in DEPENDS.items():
        files = directory / "files"
        (files / "usr/share/doc").mkdir(parents=True)
        package = kernels.deb(files, directory / "pool" / f"{name}_1_amd64.deb", name=name, depends=depends)
        shutil.rmtree(files)
        control = subprocess.run(["dpkg-deb", "-f", package], capture_output=True, text=True, check=True).stdout
        content = package.read_bytes()
        paragraphs.append(
            f"{control}Filename: pool/{package.name}\nSize: {len(content)}\n"
            f"SHA256: {hashlib.sha256(content).hexdigest()}\n"
        )
    index = directory / "dists/testing/main/binary-amd64/Packages"
    index.parent.mkdir(parents=True)
    index.write_text("\n".join(paragraphs))
    digest = hashlib.sha256(index.read_bytes()).hexdigest()
    (directory / "dists/testing/Release").write_text(
        f"Origin: Test\nSuite: testing\nCodename: testing\nDate: {formatdate(usegmt=True)}\nArchitectures: amd64\n"
        f"Components: main\nSHA256:\n {digest} {index.stat().st_size} main/binary-amd64/Packages\n"
    )
    repository = Repository(directory, signer, signer.export(directory / "key.asc", armored=True))
    repository.sign(signer)
    return repository


@pytest.fixture
def repository(
    repository_files: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Repository, Web]]:
    """Serve a copy of the repository as the mirror named by LAB_MIRROR."""
    directory = shutil.copytree(repository_files.directory, tmp_path / "web")
    with serving(directory) as web:
        monkeypatch.setenv("LAB_MIRROR", f"{web.address}/")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(apt, "KEYRING", repository_files.keyring)
        yield Repository(directory, repository_files.signer, repository_files.keyring), web


def obtained(cache: Path, source_dir: Path | None = None) -> list[str]:
    """Obtain the kernel's packages."""
    return [path.name for path in obtain.obtain(KERNEL, cache=cache, source_dir=source_dir, work=Work())]


def refused(cache: Path) -> LabError:
    """Check that nothing is obtained and nothing is kept; return the error."""
    with pytest.raises(BrokenEnvironment) as caught:
        obtained(cache)
    assert not obtain.is_cached(KERNEL, cache)
    assert list((cache / "packages/debian-test").iterdir()) == []
    return caught.value


def test_only_packages_with_kernel_files_are_obtained(repository: tuple[Repository, Web], tmp_path: Path) -> None:
    """They are found through the metapackages' dependencies; programs, libraries and compilers are skipped."""
    names = {name.split("_")[0] for name in obtained(tmp_path / "cache")}

    assert names == OF_THE_KERNEL
    assert obtain.is_cached(KERNEL, tmp_path / "cache")
    repository[1].asked.clear()
    assert len(obtained(tmp_path / "cache")) == len(OF_THE_KERNEL)
    assert repository[1].asked == []


def test_suite_availability_is_checked_at_its_mirror(repository: tuple[Repository, Web]) -> None:
    """The check requests the signed index, where every download starts."""
    assert obtain.can_download(KERNEL) is None
    assert [path for _, path, _ in repository[1].asked] == ["/dists/testing/InRelease"]
    shutil.rmtree(repository[0].directory / "dists")
    assert "404" in (obtain.can_download(KERNEL) or "")


def test_an_index_signed_by_another_key_is_refused(repository: tuple[Repository, Web], tmp_path: Path) -> None:
    """Keys that apt on this machine trusts do not matter."""
    with vault.signer("Stranger <stranger@example.com>") as stranger:
        repository[0].sign(stranger)

    error = refused(tmp_path / "cache")
    assert error.message.startswith("the packages of debian:test cannot be obtained: http://127.0.0.1")
    assert "the public key is not available" in error.message


def test_a_modified_package_is_refused(repository: tuple[Repository, Web], tmp_path: Path) -> None:
    """Its digest differs from the one in the signed index."""
    package = repository[0].directory / "pool/linux-image-6.1.0-1-cloud-amd64_1_amd64.deb"
    content = package.read_bytes()
    package.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    error = refused(tmp_path / "cache")
    assert error.message.endswith("linux-image-6.1.0-1-cloud-amd64_1_amd64.deb  Hash Sum mismatch")


def test_a_missing_suite_is_a_one_line_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same holds without a network."""
    monkeypatch.setenv("LAB_MIRROR", "http://127.0.0.1:1")

    error = refused(tmp_path / "cache")
    assert "Connection refused" in error.message
    assert "\n" not in error.message
    assert obtain.can_download(KERNEL) == "127.0.0.1:1: Connection refused"


def test_unverified_packages_in_a_directory_are_refused(tmp_path: Path) -> None:
    """A single Debian package has no signature."""
    with pytest.raises(BadInput, match="a Debian package alone has no signature"):
        obtained(tmp_path / "cache", tmp_path)


@pytest.mark.alone
def test_apt_of_this_machine_is_unchanged(repository: tuple[Repository, Web], tmp_path: Path) -> None:
    """Its package lists and its cache stay as they were."""
    watched = [path for path in (Path("/var/lib/apt/lists"), Path("/var/cache/apt/archives")) if path.exists()]
    before = [sorted(path.iterdir()) for path in watched]
    obtained(tmp_path / "cache")

    assert repository[1].asked
    assert [sorted(path.iterdir()) for path in watched] == before
