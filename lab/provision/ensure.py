"""Brings a machine to the state in which trials can run; steps that are already done are skipped."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from lab.catalogue import sources
from lab.catalogue.machine import Added, CentOS, Machine
from lab.catalogue.queue import QueuedBy
from lab.endpoint.ssh import Shell
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.work import Work
from lab.image.recipe import built_files, digest_of, source_files
from lab.provision import centos
from lab.provision.facts import REMOTE, Facts, gather
from lab.provision.hook import BUILD_BOUND_S, HOOK, OFFSETS, provide, provide_offsets
from lab.provision.module_cache import ModuleCache

_QUEUED_BY: tuple[QueuedBy, ...] = get_args(QueuedBy)

UNTOUCHED = "untouched"
"""guest/era.sh's name for a kernel without ctrewind."""


def ensure(  # noqa: PLR0913  the target state, each part by name
    shell: Shell,
    machine: Machine,
    provision: Path,
    *,
    lanes: int,
    cache: Path,
    stap: bool,
    reboot: Callable[[], object],
    work: Work,
) -> Facts:
    """Bring a machine to the state in which trials can run, and return its facts.

    Args:
        shell: A connection to the guest.
        machine: Its definition.
        provision: The directory `provision/`.
        lanes: Number of lanes of its test network.
        cache: The cache shared by all labs, with built kernel modules.
        stap: Whether tracing with systemtap must be possible; applies to CentOS only.
        reboot: Reboots it, and returns when a login is possible; used for CentOS only.
        work: Reports each step that is needed.

    Raises:
        BrokenEnvironment: a step failed; the message contains the end of its output.
    """
    name = machine.name
    modules = ModuleCache(cache / "modules")
    if isinstance(machine.system, CentOS):
        package_sources = sources.read_sources(provision)
        centos.ensure(shell, name, machine.system, package_sources, stap=stap, reboot=reboot, work=work)
    facts = gather(shell)
    digest = digest_of(provision, source_files(provision))
    built_from = digest_of(provision, built_files(provision))
    if facts.sources != digest:
        with work.step("sending the lab's sources", name):
            _reset(shell)
            _upload(shell, provision, digest)
        facts = gather(shell)
    if facts.built_from != built_from or not _built_for(machine) <= facts.built:
        with work.step("building the modules and the verdict program in the guest", name):
            _reset(shell)
            _build(shell, _built_modules(machine), built_from)
        facts = gather(shell)
    if isinstance(machine.system, Added) and machine.system.headers and f"{HOOK}.ko" not in facts.built:
        with work.step("providing the hook module for its kernel", name):
            provide(shell, provision, modules)
        facts = gather(shell)
    if facts.lanes < lanes:
        with work.step("setting up the test network", name):
            shell.ask([f"{REMOTE}/guest/network.sh", "up", str(lanes)])
    if machine.added and not {f"{HOOK}.ko", OFFSETS} & facts.built:
        with work.step("reading its kernel's types", name):
            provide_offsets(shell)
    era = _era(machine)
    if facts.era != era:
        with work.step(f"setting its conntrack to era {era}", name):
            shell.ask([f"{REMOTE}/guest/era.sh", era])
    facts = replace(facts, era=era, lanes=max(lanes, facts.lanes))
    if not machine.added:
        return facts
    return _with_queue(shell, facts, name, work, lambda: provide(shell, provision, modules, anew=True))


def _with_queue(shell: Shell, facts: Facts, name: str, work: Work, rebuild: Callable[[], None]) -> Facts:
    """Determine what can queue packets on an added kernel; rebuild a hook module that does not load, once."""
    has_hook = f"{HOOK}.ko" in facts.built
    try:
        queued = _queued(shell, facts, name)
        if queued.queued_by == HOOK or not has_hook:
            return queued
    except BrokenEnvironment:
        if not has_hook:
            raise
    with work.step("rebuilding the hook module, which does not load", name):
        rebuild()
    return _queued(shell, facts, name)


def _queued(shell: Shell, facts: Facts, name: str) -> Facts:
    done = shell.run([f"{REMOTE}/guest/queue.sh"])
    if done.status != 0:
        raise BrokenEnvironment(f"{name}: {done.stderr.strip() or 'queue.sh failed'}")
    answer, _, why_not = done.stdout.decode(errors="replace").strip().partition("\n")
    by = next((by for by in _QUEUED_BY if by == answer), None)
    if by is None:
        raise BrokenEnvironment(f"{name}: the answer of queue.sh is not understood: {answer!r}")
    return replace(facts, queued_by=by, why_not_hook=why_not.strip().rstrip(";"))


def named(provision: Path, *, lanes: int) -> str:
    """Return a cache key for what `ensure` does to a machine of the lab's own image.

    Args:
        provision: The directory `provision/`.
        lanes: Number of lanes of its test network.
    """
    here = Path(__file__).parent
    sources = digest_of(provision, source_files(provision))
    return f"{sources} {digest_of(here, sorted(here.glob('*.py')))} {lanes}"


def is_done(facts: Facts, machine: Machine) -> bool:
    """Return whether trials can run on a machine with these facts."""
    return _built_for(machine) <= facts.built and facts.lanes > 0 and facts.era == _era(machine)


def _era(machine: Machine) -> str:
    return machine.era.value if machine.replica and machine.era else UNTOUCHED


def _built_modules(machine: Machine) -> list[str]:
    """Return the modules that a machine requires; an added kernel may have no headers to build any with."""
    if machine.added:
        return []
    return [HOOK] if isinstance(machine.system, CentOS) else [HOOK, "ctrewind"]


def _built_for(machine: Machine) -> frozenset[str]:
    return frozenset({"user.out", *(f"{module}.ko" for module in _built_modules(machine))})


def _reset(shell: Shell) -> None:
    """Remove what older sources set up, so that the new ones start from a clean state."""
    # The lane program also removes the lanes; where it was never built, as on a new box, there are none.
    for needed, script, argument in (("build/lanes", "network.sh", "down"), ("guest/era.sh", "era.sh", UNTOUCHED)):
        shell.ask(["sh", "-c", f"[ ! -e {REMOTE}/{needed} ] || {REMOTE}/guest/{script} {argument}"])


def _upload(shell: Shell, provision: Path, digest: str) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in source_files(provision):
            tar.add(path, arcname=str(path.relative_to(provision)))
    shell.ask(["mkdir", "-p", REMOTE])
    shell.put(archive.getvalue(), f"{REMOTE}/sources.tar")
    # The digest is written last, when everything else is on the disk: after an interruption or a crash the machine is
    # provisioned again. The same holds below.
    script = f"cd {REMOTE} && rm -f digest && tar -xf sources.tar && rm sources.tar && sync && echo {digest} >digest"
    shell.ask(["sh", "-eu", "-c", script])


def _build(shell: Shell, modules: Sequence[str], digest: str) -> None:
    build = f"{REMOTE}/build"
    # Remove everything built from older sources: an existing module counts as built.
    script = (
        f"rm -rf {build} && MODULES='{' '.join(modules)}' {REMOTE}/guest/build.sh && sync && "
        f"echo {digest} >{build}/digest"
    )
    shell.ask(["sh", "-eu", "-c", script], bound_s=BUILD_BOUND_S)
