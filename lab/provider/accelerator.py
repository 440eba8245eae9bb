"""Which accelerator QEMU can use here: KVM only where a guest has really booted under it."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from pathlib import Path

from lab import process
from lab.errors import BadInput
from lab.files import write_whole
from lab.work import Work

PROBE_BOUND_S = 5.0
"""A guest under working KVM boots in well under a second; under a KVM that hangs, never."""

BOOTED = "Kernel panic - not syncing: VFS"
"""How far any kernel comes that is given no disk and no initramfs (init/do_mounts.c)."""

TCG = "tcg,thread=multi"
KVM = "kvm"


def choose(kernel: Path, cache: Path, work: Work) -> str:
    """Give the value of QEMU's `-accel`.

    The answer of a probe is kept until the host boots again or its QEMU changes. LAB_ACCEL=tcg or kvm overrides it.

    Args:
        kernel: A kernel to probe with.
        cache: Where the answer is kept.
        work: Told of the probe.

    Raises:
        BadInput: LAB_ACCEL is something else.
    """
    asked = os.environ.get("LAB_ACCEL")
    if asked:
        if asked not in ("tcg", "kvm"):
            raise BadInput(f"LAB_ACCEL is '{asked}'; it can be: tcg, kvm")
        return TCG if asked == "tcg" else KVM
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return TCG
    return _probed(kernel, cache, work)


def kvm_works(cache: Path, work: Work) -> bool:
    """Tell whether guests boot under KVM, for those who have no guest image to hand: any kernel tells.

    Args:
        cache: Where the answer is kept, and where a built guest image would be.
        work: Told of the probe.
    """
    if os.environ.get("LAB_ACCEL"):
        return os.environ["LAB_ACCEL"] == "kvm"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK) or process.find("qemu-system-x86_64") is None:
        return False
    own = Path("/boot") / f"vmlinuz-{platform.release()}"
    kernels = [*sorted(cache.glob("images/*/vmlinuz-*")), own]
    kernel = next((kernel for kernel in kernels if os.access(kernel, os.R_OK)), None)
    return kernel is not None and _probed(kernel, cache, work) == KVM


def _probed(kernel: Path, cache: Path, work: Work) -> str:
    answer = cache / "accelerator.json"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    key = f"{boot_id} {process.output_of(['qemu-system-x86_64', '--version']).splitlines()[0]}"
    kept = _read(answer)
    if kept.get("key") != key:
        with work.step("finding out whether a guest boots under KVM"):
            accelerator = KVM if boots(KVM, kernel, work) else TCG
        if accelerator == TCG:
            work.note("KVM is there but no guest boots under it: using software emulation")
        kept = {"key": key, "accelerator": accelerator}
        write_whole(answer, json.dumps(kept))
    return kept["accelerator"]


def boots(accel: str, kernel: Path, work: Work, bound_s: float = PROBE_BOUND_S) -> bool:
    """Tell whether a guest boots under an accelerator within a bound, by booting one; nothing of it stays."""
    with tempfile.TemporaryDirectory(prefix="lab-probe-") as name:
        directory = Path(name)
        console = directory / "console.log"
        serial = f"file:{console}"
        argv: list[str | Path] = ["qemu-system-x86_64", "-accel", accel, "-m", "256", "-nodefaults"]
        argv += ["-display", "none", "-no-reboot", "-serial", serial]
        argv += ["-kernel", kernel, "-append", "console=ttyS0 quiet panic=-1"]
        pid = process.start(argv, log=directory / "qemu.log", cwd=directory)

        def settled() -> bool:
            return _booted(console) or not process.is_running(pid, serial)

        try:
            work.wait_until(settled, bound_s)
            return _booted(console)
        finally:
            process.stop(pid, serial)


def _booted(console: Path) -> bool:
    return console.exists() and BOOTED in console.read_text(errors="replace")


def _read(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}
