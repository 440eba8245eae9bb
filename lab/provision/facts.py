"""Observes a machine's state without changing it."""

from __future__ import annotations

from dataclasses import dataclass

from lab.catalogue.queue import QueuedBy
from lab.endpoint.ssh import Shell
from lab.foundation.errors import BrokenEnvironment

REMOTE = "/opt/lab"
"""Directory of the lab's files in a machine."""

# Shell builtins only: under emulation a program takes thirty milliseconds, and every lab command runs this.
_FACTS = f"""
# Prints the first line of a file, or a word where there is none: a file can be empty after a crash.
line_of() {{
	line=
	[ ! -r "$1" ] || read -r line <"$1"
	echo "${{line:-$2}}"
}}
kernel=$(line_of /proc/sys/kernel/osrelease)
echo "$kernel"
if [ -e /etc/centos-release ]; then
	line_of /etc/centos-release
else
	(. /etc/os-release && echo "$PRETTY_NAME")
fi
line_of {REMOTE}/digest none
line_of {REMOTE}/build/digest none
built=
cd {REMOTE}/build 2>/dev/null && for file in user.out* "$kernel"/*.ko "$kernel"/offsets; do
	[ ! -s "$file" ] || built="$built $file"
done
echo "${{built:-none}}"
line_of /sys/module/ctrewind/parameters/era untouched
line_of /run/lab/lanes 0
# A boot id is generated when it is first read: reading it here keeps it the same in each restore of this boot.
read -r boot_id </proc/sys/kernel/random/boot_id
"""


@dataclass(frozen=True)
class Facts:
    """Observed state of a machine.

    Attributes:
        kernel: Kernel release as printed by `uname -r`.
        system: Name of its distribution.
        sources: Digest of its copy of the lab's sources.
        built_from: Digest of the sources that its build is made from.
        built: Names of the modules and programs built for its kernel.
        era: The era set by ctrewind, or "untouched".
        lanes: Number of lanes of its test network.
        queued_by: What sends packets to NFQUEUE: the hook module, or a rule if the module cannot be used. It is
            determined for added kernels; `gather` assumes the module.
        why_not_hook: Why it is a rule; empty where it is the hook module.
    """

    kernel: str
    system: str
    sources: str
    built_from: str
    built: frozenset[str]
    era: str
    lanes: int
    queued_by: QueuedBy = "nfqdns"
    why_not_hook: str = ""


def gather(shell: Shell) -> Facts:
    """Return the observed state of a machine; changes nothing.

    Raises:
        BrokenEnvironment: it does not answer.
    """
    return parse(shell.ask(["sh", "-c", _FACTS]))


def parse(text: str) -> Facts:
    """Parse a machine's description of itself.

    Raises:
        BrokenEnvironment: it has another format.
    """
    try:
        kernel, system, sources, built_from, built, era, lanes = (line.strip() for line in text.strip().splitlines())
        names = frozenset(name.removeprefix(f"{kernel}/") for name in built.split())
        return Facts(kernel, system, sources, built_from, names, era, int(lanes))
    except ValueError as error:
        raise BrokenEnvironment(f"the machine's answer is not understood: {text!r}") from error
