"""What a machine is found to be: looked at, never changed."""

from __future__ import annotations

from dataclasses import dataclass

from lab.catalogue.scenario import QueuedBy
from lab.errors import BrokenEnvironment
from lab.ssh import Shell

REMOTE = "/opt/lab"
"""Where the lab's files lie in a machine."""

# By the shell alone: under emulation each program more takes thirty milliseconds, and every command of the lab asks.
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
cd {REMOTE}/build 2>/dev/null && echo user.out* "$kernel"/*.ko || echo none
line_of /sys/module/ctrewind/parameters/era untouched
line_of /run/lab/lanes 0
# A boot gets its id when somebody first asks for it: asked here, it is the same wherever this boot is resumed.
read -r boot_id </proc/sys/kernel/random/boot_id
"""


@dataclass(frozen=True)
class Facts:
    """What a machine is found to be.

    Attributes:
        kernel: Its kernel release, as `uname -r` says it.
        system: Its distribution, as it names itself.
        sources: The digest of the lab's sources it has.
        built_from: The digest of the sources its build was made of.
        built: What there is for its kernel: the names of modules and programs.
        era: The era ctrewind gives it, or "untouched".
        lanes: How many lanes its test network has.
        queued_by: Who can send packets to NFQUEUE: the hook module, or where it cannot be had a rule. Found out for
            kernels that nobody knows; `gather` takes it for granted.
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
    """Look at a machine; changes nothing.

    Raises:
        BrokenEnvironment: it cannot be asked.
    """
    return parse(shell.ask(["sh", "-c", _FACTS]))


def parse(text: str) -> Facts:
    """Read what the machine said of itself.

    Raises:
        BrokenEnvironment: it said something else.
    """
    try:
        kernel, system, sources, built_from, built, era, lanes = (line.strip() for line in text.strip().splitlines())
        names = frozenset(name.removeprefix(f"{kernel}/") for name in built.split())
        return Facts(kernel, system, sources, built_from, names, era, int(lanes))
    except ValueError as error:
        raise BrokenEnvironment(f"the machine's answer is not understood: {text!r}") from error
