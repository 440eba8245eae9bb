"""Whether an ordinary user may have a user namespace of many ids, in which mmdebstrap unpacks packages."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

BY_ROOT = "build the guest image as root, or import one: lab image import"


def problem(root: Path = Path("/"), user: str | None = None) -> str | None:
    """Return why this user cannot have one, with the command that changes it; None when nothing speaks against it.

    Args:
        root: The root file system that is looked at.
        user: The user; None for the one who runs the lab.
    """
    setting = root / "proc/sys"
    if _number(setting / "user/max_user_namespaces") == 0:
        return f"user.max_user_namespaces is 0: sudo sysctl user.max_user_namespaces=10000; or {BY_ROOT}"
    # Of Debian's kernels before 5.10, and of others that carry its patch.
    if _number(setting / "kernel/unprivileged_userns_clone") == 0:
        return f"kernel.unprivileged_userns_clone is 0: sudo sysctl kernel.unprivileged_userns_clone=1; or {BY_ROOT}"
    # Ubuntu from 23.10 on: only programs with an AppArmor profile that says so have capabilities in a namespace.
    if _number(setting / "kernel/apparmor_restrict_unprivileged_userns") == 1 and not _has_profile(root):
        return (
            "AppArmor restricts user namespaces, and has no profile for mmdebstrap: "
            f"sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0; or {BY_ROOT}"
        )
    name = user or _own_name()
    for file in ("subuid", "subgid"):
        if not _has_range(root / "etc" / file, name):
            return f"/etc/{file} has no range for {name}: sudo usermod --add-{file}s 100000-165535 {name}; or {BY_ROOT}"
    return None


def _own_name() -> str:
    """Return this user's name, or the id of one without a name, as in a container; subuid(5) takes either."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _has_profile(root: Path) -> bool:
    profile = root / "etc/apparmor.d/mmdebstrap"
    return profile.exists() and not os.path.lexists(root / "etc/apparmor.d/disable/mmdebstrap")


def _has_range(path: Path, user: str) -> bool:
    """Return whether a user has subordinate ids, at least those of Debian's packages (subuid(5))."""
    try:
        rows = [line.split(":") for line in path.read_text(errors="replace").splitlines()]
    except OSError:
        return False
    return any(len(row) == len(("name", "first", "count")) and row[0] == user for row in rows)
