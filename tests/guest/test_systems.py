"""A machine on its real kernel: from a vault's verified packages to a table that names the system."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.foundation.home import PROVISION, Home
from lab.foundation.work import Work
from lab.image import build
from lab.image.recipe import Recipe
from tests import kernels
from tests.guest.conftest import TestLab
from tests.guest.test_kernels import debs, fetch, needed_by, unpack
from tests.vault import Signer, Web, serving, signer

__all__ = ["debs"]

OWN = "centos:7.0.1406"
"""Kernel name in lab/machines/old.toml. The vault of this test has Debian's kernel under this name."""

PACKAGES = ("kernel.rpm", "kernel-devel.rpm")


@pytest.fixture(scope="module")
def key() -> Iterator[Signer]:
    """Create the key that signs the vault's packages."""
    with signer("the vault of the tests") as key:
        yield key


@pytest.fixture(scope="module")
def vault(debs: Path, key: Signer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Serve Debian's kernel with its headers, in the layout of CentOS 7's packages, signed."""
    where = tmp_path_factory.mktemp("vault")
    image = needed_by("linux-image-cloud-amd64", "linux-image-6.1")
    headers = image.replace("image", "headers")
    files = where / "files"
    for package in fetch(
        debs, image, headers, *(needed_by(headers, name) for name in ("linux-headers-6.1", "linux-kbuild"))
    ):
        unpack(package, files)
    listing = {**kernels.KERNEL_OF_RHEL_7, "kernel_devel": "/usr/src/*\n/usr/lib/linux-kbuild-*"}
    served = where / "served" / "7.0.1406"
    served.mkdir(parents=True)
    for package in kernels.rpms(files, where, payload="w1.gzdio", **listing):
        key.sign(package).rename(served / package.name)
    key.export(served / "KEY")
    with serving(where / "served") as web:
        yield web


@pytest.fixture(scope="module")
def release() -> str:
    """Return the vault kernel's `uname -r`."""
    return needed_by("linux-image-cloud-amd64", "linux-image-6.1").removeprefix("linux-image-")


def known(directory: Path, release: str, fingerprint: str) -> Path:
    """Write the data of the vault's kernel, in the format of provision/kernels."""
    directory.mkdir()
    (directory / "vault.toml").write_text(
        f'bases = ["https://vault.example.com"]\npackages = {json.dumps([f"{{tag}}/{name}" for name in PACKAGES])}\n'
        f'checked = true\n[key]\nfingerprint = "{fingerprint}"\nfiles = ["{{tag}}/KEY"]\n'
        f'[[kernel]]\nname = "{OWN}"\nrelease = "{release}"\n'
    )
    return directory


@pytest.fixture
def lab(fresh: TestLab, vault: Web, key: Signer, release: str, tmp_path: Path) -> TestLab:
    """Return a lab without machines that uses the test vault and a separate package cache."""
    vault.asked.clear()
    # Expensive build results are taken from the user's cache, whose packages stay unchanged.
    shared, own = Home.from_environment().cache, tmp_path / "cache"
    build.ensure(Recipe.from_environment(PROVISION), shared, Work())
    own.mkdir()
    for path in shared.iterdir():
        if path.name not in {"packages", "unreachable.json"} and path.suffix != ".lock":
            (own / path.name).symlink_to(path)
    fresh.environment |= {
        "LAB_CACHE": str(own),
        "LAB_SYSTEM": "",
        "LAB_VAULT": vault.address,
        "LAB_KERNELS": str(known(tmp_path / "kernels", release, key.fingerprint)),
    }
    return fresh


def test_a_machine_boots_its_real_kernel_from_the_vault_and_tables_name_it(
    lab: TestLab, vault: Web, release: str
) -> None:
    """Downloaded, verified, added, booted, run; the second time restored without a download."""
    machine = lab.well("up", "old", "--system", "kernel", "--json").json["machines"]["old"]

    assert (machine["system"], machine["replica"], machine["added"]) == ("kernel", False, False)
    assert (machine["kernel"], machine["era"], machine["provisioned"]) == (release, "drop", True)
    assert {path for _, path, _ in vault.asked} >= {f"/7.0.1406/{name}" for name in (*PACKAGES, "KEY")}
    assert lab.ask("old", "uname -r").strip() == release
    assert "ctrewind" not in lab.ask("old", "cat /proc/modules")
    # Without it 3.10.0-1127 panicked on a busy host.
    assert "no_timer_check" in lab.ask("old", "cat /proc/cmdline").split()
    # Debian's kernel has another era than the machine's definition: the table shows the measured one.
    result = lab.run("run", "old", "-s", "nfqueue", "-n", "2", "--json")
    (cell,) = result.json["cells"]
    assert (result.status, cell["armed"], cell["stalled"], cell["expected"]) == (1, 2, 0, "stalled")
    ran_on = result.json["machines"]["old"]
    assert (ran_on["system"], ran_on["verified"], ran_on["queued_by"]) == ("kernel", True, "nfqdns")
    table = lab.run("compare", "old").out
    assert "old (kernel)" in table
    assert "CentOS's kernel, not CentOS's userland" in " ".join(table.split())
    assert "replica" not in table

    refusal = lab.run("kernel", "remove", "centos-7-0-1406")
    assert (refusal.status, "lab destroy old" in refusal.err) == (2, True)
    other = lab.run("up", "old", "--system", "replica")
    assert (other.status, "old is there already" in other.err) == (2, True)
    lab.well("halt", "old")
    vault.asked.clear()
    started = time.monotonic()
    again = lab.well("up", "old").err
    assert "resuming from its saved state" in again, (again, time.monotonic() - started)
    assert vault.asked == []
    lab.well("destroy", "old")
    lab.well("kernel", "remove", "centos-7-0-1406")
    plan = lab.well("up", "old", "--dry-run", "--json").json["machines"]["old"]
    assert (vault.asked, "its kernel's packages are in the cache" in plan["reason"]) == ([], True)


def test_packages_in_a_directory_are_enough_without_a_network(lab: TestLab, vault: Web, release: str) -> None:
    """By name they are verified; given as files they are not, which every table states."""
    directory = vault.directory / "7.0.1406"
    lab.environment["LAB_VAULT"] = "http://127.0.0.1:9"
    refusal = lab.run("up", "old", "--system", "kernel")
    assert refusal.status == 3
    assert f"lab kernel add {OWN} --from DIR" in refusal.err
    assert "LAB_VAULT" in refusal.err

    lab.well("kernel", "add", *(str(directory / name) for name in PACKAGES), "--name", "given")
    plan = lab.well("up", "old", "--dry-run", "--json").json["machines"]["old"]
    assert "its kernel was added (given)" in plan["reason"]
    assert "its signature was not verified" in plan["title"]
    lab.well("up", "old")
    result = lab.run("run", "old", "-s", "baseline", "-n", "1", "--json")
    assert (result.json["machines"]["old"]["verified"], result.json["machines"]["old"]["kernel"]) == (False, release)
    assert "signatures were not verified" in " ".join(lab.well("compare", "old").out.split())
    lab.well("destroy", "old")

    lab.well("kernel", "add", OWN, "--from", str(directory))
    verified = lab.well("up", "old", "--dry-run", "--json").json["machines"]["old"]
    assert "its kernel was added (centos-7-0-1406)" in verified["reason"]
    assert "not verified" not in verified["title"]
