"""Kernels that people bring: Debian's own, out of packages of every layout, on the lab's guest image."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import platformdirs
import pytest
import zstandard

from lab import classification, verdict
from lab.catalogue import find
from lab.evidence import trial
from lab.home import SCENARIOS
from tests import kernels
from tests.guest.conftest import TestLab

TIMES = 20
"""How often each era must be told rightly, of as many times."""


@pytest.fixture(scope="session")
def debs() -> Path:
    """Give the directory that Debian's packages are fetched to; it stays, and apt knows whether they are whole."""
    directory = Path(platformdirs.user_cache_dir("five-second-lab-tests")) / "debs"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def fetch(debs: Path, *names: str) -> list[Path]:
    """Give Debian's packages of these names, as apt has them today."""
    command = ["apt-get", "-o", "APT::Sandbox::User=root", "-q", "download", *names]
    subprocess.run(command, cwd=debs, check=True, capture_output=True)
    shown = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", *names], capture_output=True, text=True, check=True
    )
    files = re.findall(r"^Filename: .*/(\S+)$", shown.stdout, re.MULTILINE)
    # Of a version with an epoch, apt writes the colon otherwise; no kernel has one.
    return [debs / name for name in files]


def needed_by(name: str, prefix: str) -> str:
    """Give the package that a name without a version stands for."""
    told = subprocess.run(["apt-cache", "depends", name], capture_output=True, text=True, check=True).stdout
    return next(word for word in told.split() if word.startswith(prefix) and word != name)


def unpack(package: Path, where: Path) -> Path:
    """Unpack a Debian package, by Debian's own program."""
    subprocess.run(["dpkg-deb", "-x", package, where], check=True)
    # Most of it, and nothing here; it would only be packed again.
    for name in ("drivers/gpu", "drivers/media", "drivers/net/wireless", "sound"):
        for path in where.glob(f"lib/modules/*/kernel/{name}"):
            shutil.rmtree(path)
    return where


def looks_up_again(files: Path) -> bool:
    """Tell from a kernel's own code what it does when a packet comes back from a queue: an oracle beside the lab.

    Era `relookup` is where nf_conntrack_update calls nf_conntrack_find_get (net/netfilter/nf_conntrack_core.c).
    """
    path = next(files.rglob("nf_conntrack.ko*"))
    plain = path.with_name("plain.o")
    with plain.open("wb") as file:
        subprocess.run(["xz", "-dc", path] if path.suffix == ".xz" else ["cat", path], stdout=file, check=True)
    symbols = subprocess.run(["readelf", "-sW", plain], capture_output=True, text=True, check=True).stdout
    (at, size) = next(
        (int(fields[1], 16), int(fields[2]))
        for fields in map(str.split, symbols.splitlines())
        if fields and fields[-1] == "nf_conntrack_update"
    )
    where = ["-j", ".text", f"--start-address={at}", f"--stop-address={at + size}"]
    code = subprocess.run(["objdump", "-dr", *where, plain], capture_output=True, text=True, check=True).stdout
    plain.unlink()
    return "nf_conntrack_find_get" in code


def test_debians_kernels_are_classified_by_experiment_as_their_code_says(
    shared: TestLab, debs: Path, tmp_path: Path
) -> None:
    """6.1 looks up again, from its package as it is; 6.12, packed as Fedora would, does what its code does."""
    (old,) = fetch(debs, needed_by("linux-image-amd64", "linux-image-6.1"))
    (new,) = fetch(debs, needed_by("linux-image-6.12-cloud-amd64", "linux-image-6.12"))
    files = {"old61": unpack(old, tmp_path / "61"), "new612": unpack(new, tmp_path / "612")}
    era = {name: "relookup" if looks_up_again(path) else "resolve" for name, path in files.items()}
    layout = {
        "kernel_core": "/lib/modules/*/vmlinuz\n/lib/modules/*/modules.*",
        "kernel_modules": "/lib/modules/*/kernel",
    }
    packages = kernels.rpms(kernels.fedora_like(files["new612"]), tmp_path, payload="w1.zstdio", **layout)
    shared.well("kernel", "add", str(old), "--name", "old61")
    shared.well("kernel", "add", *map(str, packages), "--name", "new612")

    found = shared.well("classify", "old61", "new612", "--json").json["machines"]

    assert era["old61"] == "relookup"
    assert {name: one["era"] for name, one in found.items()} == era
    assert found["old61"]["machine"]["queued_by"] == "nftables"
    assert all(one["armed"] >= 3 and one["stalled"] == 0 for one in found.values())
    assert shared.guests() == []
    listed = shared.well("kernel", "list", "--json").json["kernels"]
    assert {name: one["classified"]["era"] for name, one in listed.items()} == era


def test_a_kernel_without_virtio_and_nftables_runs_as_those_of_old(shared: TestLab, debs: Path, tmp_path: Path) -> None:
    """By AHCI, e1000 and iptables, from an RPM as RHEL 7 has it; what it cannot do is left out, with the reason."""
    (package,) = fetch(debs, needed_by("linux-image-amd64", "linux-image-6.1"))
    files = unpack(package, tmp_path / "files")
    for path in list(files.rglob("*.ko")):
        if not path.name.startswith(("nf_tables", "nft_", "virtio_blk", "virtio_net")):
            path.with_name(f"{path.name}.zst").write_bytes(zstandard.compress(path.read_bytes(), 1))
        path.unlink()
    (rpm,) = kernels.rpms(files, tmp_path, payload="w1.gzdio", **kernels.KERNEL_OF_RHEL_7)
    shared.well("kernel", "add", str(rpm), "--name", "asof7")

    scenarios = ["baseline", "nfqueue", "nfqueue-nftables", "nfqueue-cache-loopback"]
    done = shared.well("run", "--kernel", "asof7", *(f"-s{name}" for name in scenarios), "-n", "4", "--json").json

    assert {cell["scenario"]: cell["verdict"] for cell in done["cells"]} == {
        "baseline": "healthy",
        "nfqueue": "healthy",
    }
    assert done["cells"][1]["armed"] == 4
    machine = done["machines"]["asof7"]
    assert (machine["queued_by"], machine["era"], machine["replica"]) == ("iptables", None, False)
    left_out = {one["scenario"]: one["reason"] for one in done["left_out"]}
    assert "nftables" in left_out["nfqueue-nftables"]
    assert "headers" in left_out["nfqueue-cache-loopback"]
    assert shared.guests() == []
    assert "kernel asof7" in shared.well("compare", "asof7").out


def test_a_kernel_with_its_headers_is_traced_and_lives_as_a_machine(shared: TestLab, debs: Path) -> None:
    """The hook module is built for it; it is not removed while it runs, and nothing of it stays afterwards."""
    image = needed_by("linux-image-cloud-amd64", "linux-image-6.1")
    headers = image.replace("image", "headers")
    common, kbuild = (needed_by(headers, prefix) for prefix in ("linux-headers-6.1", "linux-kbuild"))
    packages = fetch(debs, image, headers, common, kbuild)
    assert shared.well("kernel", "add", *map(str, packages), "--name", "traced", "--json").json["kernel"]["headers"]
    shared.well("up", "traced")

    refused = shared.run("kernel", "remove", "traced")
    assert (refused.status, "lab halt traced" in refused.err) == (2, True)
    found = shared.well("classify", "traced", "--json").json["machines"]["traced"]
    assert (found["era"], found["sure"], found["machine"]["queued_by"]) == ("relookup", "traced", "nfqdns")
    assert "trace" in found["trials"][-1]["rests_on"]
    assert shared.ask("traced", "uname -r").strip() == image.removeprefix("linux-image-")
    shared.well("halt", "traced")
    shared.well("kernel", "remove", "traced")
    assert not list(shared.home.glob("*/traced"))
    assert shared.run("classify", "traced").status == 2


def test_a_kernel_that_panics_is_told_by_its_own_words(shared: TestLab, debs: Path, tmp_path: Path) -> None:
    """A module of its own does it while it boots."""
    image = needed_by("linux-image-cloud-amd64", "linux-image-6.1")
    release = image.removeprefix("linux-image-")
    (package,) = fetch(debs, image)
    files = unpack(package, tmp_path / "files")
    source = tmp_path / "source"
    source.mkdir()
    (source / "virtio_net.c").write_text(
        '#include <linux/module.h>\nstatic int __init go(void)\n{\n\tpanic("the network card is on fire");\n}\n'
        'module_init(go);\nMODULE_LICENSE("GPL");\n'
    )
    (source / "Makefile").write_text("obj-m := virtio_net.o\n")
    headers = Path(f"/usr/src/linux-headers-{release}")
    assert headers.exists(), "the headers on this machine are older than apt's kernel: make setup-tests"
    subprocess.run(["make", "-C", headers, f"M={source}"], check=True, capture_output=True)
    shutil.copy(source / "virtio_net.ko", next(files.rglob("virtio_net.ko")))
    shared.well("kernel", "add", str(files), "--name", "panics")

    done = shared.run("classify", "panics", "--json")

    error = json.loads(done.out)["error"]
    assert (done.status, shared.guests()) == (3, [])
    assert error["message"] == "panics did not boot: the kernel panicked: the network card is on fire"
    assert Path(error["evidence"]).exists()


def test_replicas_of_all_eras_are_classified_rightly_twenty_times_of_twenty(running: TestLab) -> None:
    """By two trials each, one of them traced, whatever the lab believes to know of the machines."""
    eras = {"old": "drop", "new": "resolve", "today": "relookup"}
    found = running.well("classify", *eras, "--json").json["machines"]
    assert {name: one["era"] for name, one in found.items()} == eras
    assert {one["sure"] for one in found.values()} == {"traced"}

    # With musl, which waits half as long for an answer as glibc.
    done = running.well("run", *eras, "-s", "nfqueue-musl", "-n", str(TIMES), "--evidence", "--json").json
    (scenario,) = find.scenarios(SCENARIOS, ["nfqueue-musl"])
    for name, era in eras.items():
        evidence = [trial.read(path) for path in sorted((Path(done["path"]) / name / scenario.name).iterdir())]
        judged = [(verdict.judge(one, scenario), one) for one in evidence]
        pairs = zip(judged[:TIMES], judged[TIMES:], strict=True)
        assert [classification.classify(scenario, pair).era for pair in pairs] == [era] * TIMES
