"""Kernels that users bring: Debian's own, from packages of every layout, on the lab's guest image."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import platformdirs
import pytest
import zstandard

from lab.catalogue import find
from lab.foundation.home import SCENARIOS
from lab.judgement.era import classify
from lab.judgement.judged import judge_trial
from tests import kernels
from tests.guest.conftest import TestLab, trials_of

TIMES = 20
"""Number of classifications of each era, all of which must be right."""


@pytest.fixture(scope="session")
def debs() -> Path:
    """Return the directory for Debian's packages; it is kept, and apt verifies them."""
    directory = Path(platformdirs.user_cache_dir("five-second-lab-tests")) / "debs"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def fetch(debs: Path, *names: str) -> list[Path]:
    """Download Debian's current packages of these names."""
    command = ["apt-get", "-o", "APT::Sandbox::User=root", "-q", "download", *names]
    subprocess.run(command, cwd=debs, check=True, capture_output=True)
    output = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", *names], capture_output=True, text=True, check=True
    )
    files = re.findall(r"^Filename: .*/(\S+)$", output.stdout, re.MULTILINE)
    # apt escapes the colon of an epoch; no kernel version has one.
    return [debs / name for name in files]


def needed_by(name: str, prefix: str) -> str:
    """Return the package that a metapackage depends on."""
    listing = subprocess.run(["apt-cache", "depends", name], capture_output=True, text=True, check=True).stdout
    return next(word for word in listing.split() if word.startswith(prefix) and word != name)


def unpack(package: Path, where: Path) -> Path:
    """Unpack a Debian package with dpkg."""
    subprocess.run(["dpkg-deb", "-x", package, where], check=True)
    # The largest part, unused here; it would only be packed again.
    for name in ("drivers/gpu", "drivers/media", "drivers/net/wireless", "sound"):
        for path in where.glob(f"lib/modules/*/kernel/{name}"):
            shutil.rmtree(path)
    return where


def looks_up_again(files: Path) -> bool:
    """Determine from a kernel's machine code what it does at reinjection: an independent oracle.

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


def test_debian_kernels_get_the_era_of_their_machine_code(shared: TestLab, debs: Path, tmp_path: Path) -> None:
    """6.1 from its own package; 6.12 packed in Fedora's layout."""
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

    machines = shared.well("classify", "old61", "new612", "--json").json["machines"]

    assert era["old61"] == "relookup"
    assert {name: one["era"] for name, one in machines.items()} == era
    assert machines["old61"]["machine"]["queued_by"] == "nftables"
    assert all(one["armed"] >= 3 and one["stalled"] == 0 for one in machines.values())
    assert shared.guests() == []
    listing = shared.well("kernel", "list", "--json").json["kernels"]
    assert {name: one["classified"]["era"] for name, one in listing.items()} == era


def test_a_kernel_without_virtio_and_nftables_runs_like_an_old_one(shared: TestLab, debs: Path, tmp_path: Path) -> None:
    """It uses AHCI, e1000 and iptables, from an RPM like RHEL 7's; impossible scenarios are skipped."""
    (package,) = fetch(debs, needed_by("linux-image-amd64", "linux-image-6.1"))
    files = unpack(package, tmp_path / "files")
    for path in list(files.rglob("*.ko")):
        if not path.name.startswith(("nf_tables", "nft_", "virtio_blk", "virtio_net")):
            path.with_name(f"{path.name}.zst").write_bytes(zstandard.compress(path.read_bytes(), 1))
        path.unlink()
    (rpm,) = kernels.rpms(files, tmp_path, payload="w1.gzdio", **kernels.KERNEL_OF_RHEL_7)
    shared.well("kernel", "add", str(rpm), "--name", "asof7")

    scenarios = ["baseline", "nfqueue", "nfqueue-nftables", "nfqueue-cache-loopback"]
    result = shared.well("run", "--kernel", "asof7", *(f"-s{name}" for name in scenarios), "-n", "4", "--json").json

    assert {cell["scenario"]: cell["verdict"] for cell in result["cells"]} == {
        "baseline": "healthy",
        "nfqueue": "healthy",
    }
    assert result["cells"][1]["armed"] == 4
    machine = result["machines"]["asof7"]
    assert (machine["queued_by"], machine["era"], machine["replica"]) == ("iptables", None, False)
    left_out = {one["scenario"]: one["reason"] for one in result["left_out"]}
    assert "nftables" in left_out["nfqueue-nftables"]
    assert "headers" in left_out["nfqueue-cache-loopback"]
    assert shared.guests() == []
    assert "kernel asof7" in shared.well("compare", "asof7").out


def test_a_kernel_with_headers_is_traced_and_managed_as_a_machine(shared: TestLab, debs: Path) -> None:
    """The hook module is built for it; it cannot be removed while running, and leaves nothing afterwards."""
    image = needed_by("linux-image-cloud-amd64", "linux-image-6.1")
    headers = image.replace("image", "headers")
    common, kbuild = (needed_by(headers, prefix) for prefix in ("linux-headers-6.1", "linux-kbuild"))
    packages = fetch(debs, image, headers, common, kbuild)
    assert shared.well("kernel", "add", *map(str, packages), "--name", "traced", "--json").json["kernel"]["headers"]
    shared.well("up", "traced")

    refusal = shared.run("kernel", "remove", "traced")
    assert (refusal.status, "lab halt traced" in refusal.err) == (2, True)
    classification = shared.well("classify", "traced", "--json").json["machines"]["traced"]
    assert (classification["era"], classification["sure"], classification["machine"]["queued_by"]) == (
        "relookup",
        "traced",
        "nfqdns",
    )
    assert "trace" in classification["trials"][-1]["rests_on"]
    assert shared.ask("traced", "uname -r").strip() == image.removeprefix("linux-image-")
    shared.well("halt", "traced")
    # A kernel's classification is not part of its saved state's key.
    resumed = shared.well("up", "traced").err
    assert ("resuming from its saved state" in resumed, "it boots" in resumed) == (True, False)
    shared.well("halt", "traced")
    shared.well("kernel", "remove", "traced")
    assert not list(shared.home.glob("*/traced"))
    assert shared.run("classify", "traced").status == 2


def test_a_kernel_panic_is_reported_with_the_kernels_message(shared: TestLab, debs: Path, tmp_path: Path) -> None:
    """A test module panics during boot."""
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

    result = shared.run("classify", "panics", "--json")

    error = json.loads(result.out)["error"]
    assert (result.status, shared.guests()) == (3, [])
    assert error["message"] == "panics did not boot: the kernel panicked: the network card is on fire"
    assert Path(error["evidence"]).exists()


def test_a_silent_kernel_death_is_reported_by_how_it_ended(shared: TestLab, debs: Path) -> None:
    """Its console is empty; only the time and kind of its end are known."""
    image = needed_by("linux-image-cloud-amd64", "linux-image-6.1")
    shared.well("kernel", "add", *map(str, fetch(debs, image)), "--name", "silent")
    kernel = shared.home / "kernels" / "silent" / "vmlinuz"
    content = bytearray(kernel.read_bytes())
    # The code begins after setup_sects (Documentation/arch/x86/boot.rst). ud2 faults without a handler.
    code = (content[0x1F1] + 1) * 512
    content[code : code + 512] = b"\x0f\x0b" * 256
    kernel.write_bytes(content)

    result = shared.run("up", "silent", "--json")

    error = json.loads(result.out)["error"]
    assert (result.status, shared.guests()) == (3, [])
    assert re.fullmatch(r"silent did not boot: QEMU exited after \d+ s, and its console stayed empty", error["message"])
    assert "reset the machine" in error["hint"]


def test_a_hook_module_survives_a_power_cut_and_a_damaged_one_is_rebuilt(shared: TestLab, debs: Path) -> None:
    """An empty file after a crash does not count as built, nor does a module that does not load."""
    image = needed_by("linux-image-cloud-amd64", "linux-image-6.1")
    headers = image.replace("image", "headers")
    common, kbuild = (needed_by(headers, prefix) for prefix in ("linux-headers-6.1", "linux-kbuild"))
    shared.well("kernel", "add", *map(str, fetch(debs, image, headers, common, kbuild)), "--name", "cut")
    module = "/opt/lab/build/$(uname -r)/nfqdns.ko"

    # The image has a module for this kernel from another build.
    shared.well("up", "cut", "--cold")
    for damage, step in (
        (":", "providing the hook module for"),
        ("head -c 3000 $module.whole", "rebuilding the hook module"),
    ):
        shared.ask("cut", f"module={module}; cp $module $module.whole; {damage} >$module; sync")
        before = len(shared.steps())
        shared.well("status", "cut")
        shared.well("run", "cut", "-s", "nfqueue", "-n", "1")
        assert step in shared.steps()[before:]
        # A file being written at a power cut does not count; one that counts is on the disk.
        (guest,) = shared.guests()
        guest.kill()
        guest.wait()
        shared.well("up", "cut", "--cold")
        assert shared.ask("cut", f"insmod {module} port=0 && rmmod nfqdns && cat {module} | wc -c").strip() != "0"
    shared.well("destroy", "cut")


def test_replicas_of_all_eras_are_classified_correctly_twenty_times(running: TestLab) -> None:
    """Two trials each, one traced; the lab's stored knowledge of the machines is not used."""
    eras = {"old": "drop", "new": "resolve", "today": "relookup"}
    machines = running.well("classify", *eras, "--json").json["machines"]
    assert {name: one["era"] for name, one in machines.items()} == eras
    assert {one["sure"] for one in machines.values()} == {"traced"}

    # musl's timeout is half of glibc's.
    result = running.well("run", *eras, "-s", "nfqueue-musl", "-n", str(TIMES), "--evidence", "--json").json
    (scenario,) = find.scenarios(SCENARIOS, ["nfqueue-musl"])
    for name, era in eras.items():
        paths = trials_of(Path(result["path"]) / name / scenario.name)
        judged = [judge_trial(path, scenario) for path in paths]
        pairs = zip(judged[:TIMES], judged[TIMES:], strict=True)
        assert [classify(scenario, pair).era for pair in pairs] == [era] * TIMES
