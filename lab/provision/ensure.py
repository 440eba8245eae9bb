"""Makes a machine that can be logged in to one that trials can run on: looks first, changes only what differs."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

from lab.catalogue.machine import Machine
from lab.errors import BrokenEnvironment
from lab.image.recipe import built_files, digest_of, source_files
from lab.ssh import Shell
from lab.work import Work

REMOTE = "/opt/lab"
"""Where the lab's files lie in a machine."""

UNTOUCHED = "untouched"
"""What guest/era.sh calls a kernel without ctrewind."""

BUILD_BOUND_S = 600.0
"""Two modules and a program: half a minute under emulation on an idle machine."""

_FACTS = f"""
uname -r
cat {REMOTE}/digest 2>/dev/null || echo none
cat {REMOTE}/build/digest 2>/dev/null || echo none
ls {REMOTE}/build/user.out {REMOTE}/build/"$(uname -r)"/nfqdns.ko {REMOTE}/build/"$(uname -r)"/ctrewind.ko \
    2>/dev/null | wc -l
cat /sys/module/ctrewind/parameters/era 2>/dev/null || echo untouched
cat /run/lab/lanes 2>/dev/null || echo 0
"""


@dataclass(frozen=True)
class Facts:
    """What a machine is found to be.

    Attributes:
        kernel: Its kernel release, as `uname -r` says it.
        sources: The digest of the lab's sources it has.
        built_from: The digest of the sources its build was made of.
        built: Whether there is a build for its kernel.
        era: The era ctrewind gives it, or "untouched".
        lanes: How many lanes its test network has.
    """

    kernel: str
    sources: str
    built_from: str
    built: bool
    era: str
    lanes: int


def facts(shell: Shell) -> Facts:
    """Look at a machine; changes nothing.

    Raises:
        BrokenEnvironment: it cannot be asked.
    """
    return parse_facts(shell.ask(["sh", "-c", _FACTS]))


def parse_facts(text: str) -> Facts:
    """Read what the machine said of itself.

    Raises:
        BrokenEnvironment: it said something else.
    """
    try:
        kernel, sources, built_from, built, era, lanes = (line.strip() for line in text.strip().splitlines())
        return Facts(kernel, sources, built_from, int(built) == 3, era, int(lanes))  # noqa: PLR2004  user.out and two modules
    except ValueError as error:
        raise BrokenEnvironment(f"the machine's answer is not understood: {text!r}") from error


def ensure(shell: Shell, machine: Machine, provision: Path, lanes: int, work: Work) -> Facts:
    """Bring a machine to where trials can run, and give what it then is.

    Args:
        shell: A connection to it.
        machine: What it shall be.
        provision: The directory `provision/`.
        lanes: How many lanes its test network shall have.
        work: Told of each step that is needed.

    Raises:
        BrokenEnvironment: a step failed; the message has its last words.
    """
    found = facts(shell)
    name = machine.name
    era = machine.era.value if machine.replica else UNTOUCHED
    sources = digest_of(provision, source_files(provision))
    built_from = digest_of(provision, built_files(provision))
    if found.sources != sources:
        with work.step("sending the lab's sources", name):
            _reset(shell)
            _upload(shell, provision, sources)
        found = facts(shell)
    if found.built_from != built_from or not found.built:
        with work.step("building the modules and the verdict program in the guest", name):
            _reset(shell)
            _build(shell, built_from)
        found = facts(shell)
    if found.lanes < lanes:
        with work.step("setting up the test network", name):
            shell.ask([f"{REMOTE}/guest/network.sh", "up", str(lanes)])
    if found.era != era:
        with work.step(f"making its conntrack behave as era {era}", name):
            shell.ask([f"{REMOTE}/guest/era.sh", era])
    return replace(found, era=era, lanes=max(lanes, found.lanes))


def is_done(found: Facts, machine: Machine) -> bool:
    """Tell whether trials can run on a machine found so."""
    era = machine.era.value if machine.replica else UNTOUCHED
    return found.built and found.lanes > 0 and found.era == era


def _reset(shell: Shell) -> None:
    """Take down what older sources set up, so that the new ones start from nothing."""
    for script, argument in (("network.sh", "down"), ("era.sh", UNTOUCHED)):
        path = f"{REMOTE}/guest/{script}"
        shell.ask(["sh", "-c", f"[ ! -e {path} ] || {path} {argument}"])


def _upload(shell: Shell, provision: Path, digest: str) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in source_files(provision):
            tar.add(path, arcname=str(path.relative_to(provision)))
    shell.ask(["mkdir", "-p", REMOTE])
    shell.put(archive.getvalue(), f"{REMOTE}/sources.tar")
    # The digest is written last: a machine that was cut off half-way is provisioned again. So below.
    script = f"cd {REMOTE} && rm -f digest && tar -xf sources.tar && rm sources.tar && echo {digest} >digest"
    shell.ask(["sh", "-eu", "-c", script])


def _build(shell: Shell, digest: str) -> None:
    build = f"{REMOTE}/build"
    script = f"rm -f {build}/digest && {REMOTE}/guest/build.sh && echo {digest} >{build}/digest"
    shell.ask(["sh", "-eu", "-c", script], bound_s=BUILD_BOUND_S)
