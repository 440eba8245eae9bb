"""Selects QEMU's accelerator: KVM only if a guest has booted under it here."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab.foundation import process
from lab.foundation.errors import BadInput
from lab.foundation.files import write_whole
from lab.foundation.work import Work

PROBE_BOUND_S = 5.0
"""A guest under working KVM boots in well under a second; under a KVM that hangs, never."""

BOOTED = "Kernel panic - not syncing: VFS"
"""The last message of a kernel without disk and initramfs (init/do_mounts.c)."""

TCG = "tcg,thread=multi"
KVM = "kvm"

KVM_DEVICE = Path("/dev/kvm")


def choose(kernel: Path, cache: Path, work: Work) -> str:
    """Return the value of QEMU's `-accel`.

    The result of the probe is cached until the host reboots or its QEMU changes. LAB_ACCEL=tcg or kvm overrides it.

    Args:
        kernel: A kernel to probe with.
        cache: Directory of the cached result.
        work: Reports the probe.

    Raises:
        BadInput: LAB_ACCEL has another value.
    """
    asked = os.environ.get("LAB_ACCEL")
    if asked:
        if asked not in ("tcg", "kvm"):
            raise BadInput(f"LAB_ACCEL is '{asked}'; possible values: tcg, kvm")
        return TCG if asked == "tcg" else KVM
    if not os.access(KVM_DEVICE, os.R_OK | os.W_OK):
        return TCG
    return _probed(kernel, cache, work)


@dataclass(frozen=True)
class Acceleration:
    """Whether guests can use hardware virtualisation.

    Attributes:
        works: True or False where it was tested or can be ruled out; None where it is unknown.
        reason: The evidence for it.
        tried: Whether a guest was booted to find out, or the user decided it.
    """

    works: bool | None
    reason: str
    tried: bool = False


def kvm(cache: Path, work: Work) -> Acceleration:
    """Test whether guests of this user boot under KVM, with any available kernel.

    Args:
        cache: Directory of the cached result and of built guest images.
        work: Reports the probe.
    """
    asked = os.environ.get("LAB_ACCEL")
    if asked:
        return Acceleration(asked == "kvm", f"LAB_ACCEL is {asked}", tried=True)
    if not KVM_DEVICE.exists():
        return Acceleration(works=False, reason=f"there is no {KVM_DEVICE}")
    kernel = _kernel_at_hand(cache)
    if not os.access(KVM_DEVICE, os.R_OK | os.W_OK):
        return _untried(f"this user may not open {KVM_DEVICE} (adduser USER kvm)")
    if process.find("qemu-system-x86_64") is None:
        return _untried("qemu-system-x86_64 is not installed")
    if kernel is None:
        return _untried("there is no kernel that this user may read")
    works = _probed(kernel, cache, work) == KVM
    reason = "a guest booted under KVM" if works else f"{KVM_DEVICE} is there, but no guest boots under it"
    return Acceleration(works, reason, tried=True)


def _untried(reason: str) -> Acceleration:
    return Acceleration(works=None, reason=f"no guest was tried: {reason}")


def _kernel_at_hand(cache: Path) -> Path | None:
    """Return a kernel to test a guest with: of a built image, or the host's; None where none is readable."""
    kernels = [*sorted(cache.glob("images/*/vmlinuz-*")), Path("/boot") / f"vmlinuz-{platform.release()}"]
    return next((kernel for kernel in kernels if os.access(kernel, os.R_OK)), None)


def _probed(kernel: Path, cache: Path, work: Work) -> str:
    answer = cache / "accelerator.json"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    key = f"{boot_id} {process.output_of(['qemu-system-x86_64', '--version']).splitlines()[0]}"
    kept = _read(answer)
    if kept.get("key") != key:
        with work.step("testing whether a guest boots under KVM"):
            accelerator = KVM if boots(KVM, kernel, work) else TCG
        if accelerator == TCG:
            work.note("/dev/kvm exists but no guest boots under it: using software emulation")
        kept = {"key": key, "accelerator": accelerator}
        write_whole(answer, json.dumps(kept))
    return kept["accelerator"]


def boots(accel: str, kernel: Path, work: Work, bound_s: float = PROBE_BOUND_S) -> bool:
    """Return whether a guest boots under an accelerator within a time limit, by booting one; nothing of it is left."""
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
