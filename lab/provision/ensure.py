"""Brings a machine to where trials can run; each step is only taken where the machine is not there yet."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from lab.catalogue import sources
from lab.catalogue.machine import Added, CentOS, Machine
from lab.catalogue.scenario import QueuedBy
from lab.errors import BrokenEnvironment
from lab.image.recipe import built_files, digest_of, source_files
from lab.provision import centos
from lab.provision.facts import REMOTE, Facts, gather
from lab.ssh import Shell
from lab.work import Work

HOOK = "nfqdns"
"""The hook module, which queues packets where the kernel's headers are known."""

_QUEUED_BY: tuple[QueuedBy, ...] = get_args(QueuedBy)

UNTOUCHED = "untouched"
"""What guest/era.sh calls a kernel without ctrewind."""

BUILD_BOUND_S = 600.0
"""Two modules and a program: half a minute under emulation on an idle machine."""


def ensure(  # noqa: PLR0913  what it shall be, each by name
    shell: Shell,
    machine: Machine,
    provision: Path,
    *,
    lanes: int,
    stap: bool,
    reboot: Callable[[], object],
    work: Work,
) -> Facts:
    """Bring a machine to where trials can run, and give what it then is.

    Args:
        shell: A connection to it.
        machine: What it shall be.
        provision: The directory `provision/`.
        lanes: How many lanes its test network shall have.
        stap: Whether it shall be able to trace with systemtap; only CentOS gets what that needs.
        reboot: Boots it anew, and ends when it can be logged in to; only CentOS may need that.
        work: Told of each step that is needed.

    Raises:
        BrokenEnvironment: a step failed; the message has its last words.
    """
    name = machine.name
    if isinstance(machine.system, CentOS):
        where = sources.of(provision)
        centos.ensure(shell, name, machine.system, where, stap=stap, reboot=reboot, work=work)
    found = gather(shell)
    digest = digest_of(provision, source_files(provision))
    built_from = digest_of(provision, built_files(provision))
    if found.sources != digest:
        with work.step("sending the lab's sources", name):
            _reset(shell)
            _upload(shell, provision, digest)
        found = gather(shell)
    if found.built_from != built_from or not _built_for(machine) <= found.built:
        with work.step("building the modules and the verdict program in the guest", name):
            _reset(shell)
            _build(shell, _built_modules(machine), built_from)
        found = gather(shell)
    if isinstance(machine.system, Added) and machine.system.headers and f"{HOOK}.ko" not in found.built:
        with work.step("building the hook module for its kernel", name):
            _try_to_build_hook(shell)
    if found.lanes < lanes:
        with work.step("setting up the test network", name):
            shell.ask([f"{REMOTE}/guest/network.sh", "up", str(lanes)])
    era = _era(machine)
    if found.era != era:
        with work.step(f"making its conntrack behave as era {era}", name):
            shell.ask([f"{REMOTE}/guest/era.sh", era])
    found = replace(found, era=era, lanes=max(lanes, found.lanes))
    return _with_queue(shell, found, name) if machine.added else found


def _with_queue(shell: Shell, found: Facts, name: str) -> Facts:
    """Find out who can queue packets on a kernel that nobody knows."""
    done = shell.run([f"{REMOTE}/guest/queue.sh"])
    if done.status != 0:
        raise BrokenEnvironment(f"{name}: {done.stderr.strip() or 'queue.sh failed'}")
    said, _, why_not = done.stdout.decode(errors="replace").strip().partition("\n")
    by = next((by for by in _QUEUED_BY if by == said), None)
    if by is None:
        raise BrokenEnvironment(f"{name}: the answer of queue.sh is not understood: {said!r}")
    return replace(found, queued_by=by, why_not_hook=why_not.strip().rstrip(";"))


def named(provision: Path, *, lanes: int) -> str:
    """Name what `ensure` does to a machine of the lab's own image: another name, other doings.

    Args:
        provision: The directory `provision/`.
        lanes: How many lanes its test network shall have.
    """
    here = Path(__file__).parent
    sources = digest_of(provision, source_files(provision))
    return f"{sources} {digest_of(here, sorted(here.glob('*.py')))} {lanes}"


def is_done(found: Facts, machine: Machine) -> bool:
    """Tell whether trials can run on a machine found so."""
    return _built_for(machine) <= found.built and found.lanes > 0 and found.era == _era(machine)


def _era(machine: Machine) -> str:
    return machine.era.value if machine.replica and machine.era else UNTOUCHED


def _built_modules(machine: Machine) -> list[str]:
    """Give the modules without which a machine is not ready; an added kernel may have no headers to build any with."""
    if machine.added:
        return []
    return [HOOK] if isinstance(machine.system, CentOS) else [HOOK, "ctrewind"]


def _built_for(machine: Machine) -> frozenset[str]:
    return frozenset({"user.out", *(f"{module}.ko" for module in _built_modules(machine))})


def _reset(shell: Shell) -> None:
    """Take down what older sources set up, so that the new ones start from nothing."""
    # What sets the lanes up takes them down as well; where it was never built, as on a fresh box, there are none.
    for needed, script, argument in (("build/lanes", "network.sh", "down"), ("guest/era.sh", "era.sh", UNTOUCHED)):
        shell.ask(["sh", "-c", f"[ ! -e {REMOTE}/{needed} ] || {REMOTE}/guest/{script} {argument}"])


def _upload(shell: Shell, provision: Path, digest: str) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in source_files(provision):
            tar.add(path, arcname=str(path.relative_to(provision)))
    shell.ask(["mkdir", "-p", REMOTE])
    shell.put(archive.getvalue(), f"{REMOTE}/sources.tar")
    # The digest comes last, when all else is on the disk: a machine that was cut off half-way, or crashed later,
    # is provisioned again. So below.
    script = f"cd {REMOTE} && rm -f digest && tar -xf sources.tar && rm sources.tar && sync && echo {digest} >digest"
    shell.ask(["sh", "-eu", "-c", script])


def _build(shell: Shell, modules: Sequence[str], digest: str) -> None:
    build = f"{REMOTE}/build"
    script = (
        f"rm -f {build}/digest && MODULES='{' '.join(modules)}' {REMOTE}/guest/build.sh && sync && "
        f"echo {digest} >{build}/digest"
    )
    shell.ask(["sh", "-eu", "-c", script], bound_s=BUILD_BOUND_S)


def _try_to_build_hook(shell: Shell) -> None:
    """Build the hook module for a kernel whose headers this compiler may be too new for; once, as it would fail again.

    What it said then is in the machine, beside where the module would be, and guest/queue.sh tells it.
    """
    script = (
        f'failed={REMOTE}/build/$(uname -r)/{HOOK}.failed; [ ! -e "$failed" ] || exit 0; mkdir -p "${{failed%/*}}"; '
        f'MODULES={HOOK} {REMOTE}/guest/build.sh >"$failed" 2>&1 && rm "$failed" || true'
    )
    shell.ask(["sh", "-c", script], bound_s=BUILD_BOUND_S)
