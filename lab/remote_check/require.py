"""What a machine must be for a program of the lab to run on it."""

from __future__ import annotations

from lab.foundation.errors import BrokenEnvironment
from lab.remote_check.cross import buildable
from lab.remote_check.look import Look


def require_machine(look: Look, verb: str) -> None:
    """Check that the program can run on a machine.

    Args:
        look: The machine.
        verb: The command that sends it.

    Raises:
        BrokenEnvironment: it is another system, or of another architecture.
    """
    if look.system != "Linux":
        raise BrokenEnvironment(f"this is {look.system}, not Linux: there is no conntrack to check")
    if look.architecture not in buildable():
        raise BrokenEnvironment(
            f"this is a machine of architecture {look.architecture}: "
            f"the program that runs there is built for {' and '.join(buildable())} only",
            hint=f"run the lab on a machine of architecture {look.architecture}, or on this one: {verb}",
        )


def require_root(look: Look, why: str) -> None:
    """Check that the user is root, or may become root.

    Args:
        look: The machine.
        why: What needs root, in words.

    Raises:
        BrokenEnvironment: the user is not, and may not.
    """
    if not look.is_root and not look.has_sudo:
        raise BrokenEnvironment(
            f"{why}, and sudo does not work without a password for this user",
            hint="log in as root, run the lab as root, or authenticate to sudo first: sudo -v",
        )
