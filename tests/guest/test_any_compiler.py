"""Kernels built by older and newer compilers than the guest's: the hook module, and traces without it."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from lab.foundation.home import Home
from tests.guest.conftest import TestLab
from tests.suites import Suite

SHA256 = "sha256sum /opt/lab/build/$(uname -r)/nfqdns.ko"

PACKAGES = Path(platformdirs.user_cache_dir("five-second-lab-tests")) / "suites"


@pytest.fixture(scope="session")
def debian_11() -> tuple[Path, list[Path]]:
    """Return the packages of Debian 11's kernel, 5.10, built by gcc 10, and of its headers."""
    suite = Suite(PACKAGES, "bullseye")
    image = suite.needed_by("linux-image-cloud-amd64", "linux-image-5.10")
    headers = image.replace("image", "headers")
    common, kbuild = (suite.needed_by(headers, prefix) for prefix in ("linux-headers-5.10", "linux-kbuild-5.10"))
    (package,) = suite.fetch(image)
    return package, suite.fetch(headers, common, kbuild)


@pytest.fixture(scope="session")
def unstable() -> list[Path]:
    """Return all packages of Debian's newest kernel and its headers, which name a newer compiler."""
    suite = Suite(PACKAGES, "sid")
    image = suite.needed_by("linux-image-cloud-amd64", "linux-image-")
    release = image.removeprefix("linux-image-")
    headers = f"linux-headers-{release}"
    version = release.removesuffix("-cloud-amd64")
    split = [f"linux-{part}-{release}" for part in ("binary", "modules", "base")]
    return suite.fetch(image, *split, headers, f"linux-headers-{version}-common", f"linux-kbuild-{version}")


def test_kernels_of_older_and_newer_compilers_are_traced_with_the_hook_module(
    shared: TestLab, debian_11: tuple[Path, list[Path]], unstable: list[Path]
) -> None:
    """Their makefiles name gcc-10 and a missing gcc, with options and programs that do not run here."""
    package, headers = debian_11
    shared.well("kernel", "add", *map(str, [package, *headers]), "--name", "older")
    shared.well("kernel", "add", *map(str, unstable), "--name", "newer")

    machines = shared.well("classify", "older", "newer", "--json").json["machines"]

    assert {name: one["sure"] for name, one in machines.items()} == {"older": "traced", "newer": "traced"}
    assert {name: one["machine"]["queued_by"] for name, one in machines.items()} == {
        "older": "nfqdns",
        "newer": "nfqdns",
    }
    assert machines["older"]["era"] == "relookup"
    # The expected era follows from its nf_conntrack_update (see 8af79d3edb5f).
    assert machines["newer"]["era"] in {"resolve", "relookup"}
    assert all("trace" in one["trials"][-1]["rests_on"] for one in machines.values())


def test_a_built_module_is_not_built_again(shared: TestLab, debian_11: tuple[Path, list[Path]]) -> None:
    """Another lab, or the same one on another disk, gets the cached module."""
    package, headers = debian_11
    if "older" not in shared.well("kernel", "list", "--json").json["kernels"]:
        shared.well("kernel", "add", *map(str, [package, *headers]), "--name", "older")
    shared.well("up", "older")
    sha256 = shared.ask("older", SHA256).split()[0]
    (stored_file,) = (Home.from_environment().cache / "modules").glob(f"*-{sha256}.ko")
    before = stored_file.stat()
    shared.well("destroy", "older")

    shared.well("up", "older")

    assert shared.ask("older", SHA256).split()[0] == sha256
    # A new build would replace the cached module.
    assert stored_file.stat().st_ino == before.st_ino
    assert stored_file.stat().st_ctime_ns > before.st_ctime_ns
    shared.well("destroy", "older")


def test_a_kernel_without_headers_is_traced_through_btf(shared: TestLab, debian_11: tuple[Path, list[Path]]) -> None:
    """BTF has the offsets of a packet's fields; a rule queues the packets."""
    package, _ = debian_11
    shared.well("kernel", "add", str(package), "--name", "plain")

    classification = shared.well("classify", "plain", "--json").json["machines"]["plain"]

    assert (classification["era"], classification["sure"], classification["machine"]["queued_by"]) == (
        "relookup",
        "traced",
        "nftables",
    )
    output = shared.well("show", "newest", classification["trials"][-1]["trial"], "--json")
    assert output.json["trace_clock"] == "mono"
