"""Vagrant's command line, by python-vagrant; its commands are bounded, logged and stopped like every program's."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

# python-vagrant warns while it is being imported, where Vagrant is missing; that is said where it matters.
logging.getLogger("vagrant").addHandler(logging.NullHandler())
import vagrant  # noqa: E402

from lab import process  # noqa: E402
from lab.errors import BrokenEnvironment  # noqa: E402
from lab.work import Work  # noqa: E402

MIN_VERSION = (2, 2, 19)
"""The first that knows Ruby 3 and today's OpenSSH; Debian 12 has 2.3.4."""

COMMAND_BOUND_S = 3600.0
"""How long a command may take that does not say otherwise: a box comes over a slow line."""

ASK_BOUND_S = 60.0
"""For a question such as `vagrant status`: a second on an idle machine."""

TIDY_S = 60.0
"""How long Vagrant may take to undo what it was doing when it is interrupted."""

QUIET = {
    "VAGRANT_NO_COLOR": "1",
    "VAGRANT_CHECKPOINT_DISABLE": "1",
    "VAGRANT_BOX_UPDATE_CHECK_DISABLE": "1",
    "VAGRANT_IGNORE_WINRM_PLUGIN": "1",
}
"""Vagrant asks nobody whether there is anything newer."""

MISSING = BrokenEnvironment(
    "Vagrant is not installed",
    hint="install it: apt-get install vagrant vagrant-libvirt; or bring a replica up without it: --provider qemu",
)

CAUSES = (
    (
        (
            r"could not be found or could not be accessed in the remote catalog|Couldn't open file|"
            r"The requested URL returned error|has no available version that matches the constraints|"
            r"doesn't support the provider you requested|The metadata for the box was malformed"
        ),
        "the box cannot be had",
        "look for its name and the way to it; boxes and their addresses are in lab/machines/*.toml",
    ),
    (
        (
            r"Could not resolve host|Failed to connect to|An error occurred while downloading the remote file|"
            r"error while downloading the metadata for this box"
        ),
        "the box cannot be downloaded",
        "look at the network; a replica needs none: --replica",
    ),
    (
        r"Timed out while waiting for the machine to boot|Fog::Errors::TimeoutError|specified wait_for timeout",
        "the guest did not boot, or its SSH server did not answer, in time",
        "try again on an idle machine, or raise boot_bound_s in the machine's TOML file",
    ),
    (
        r"entered an invalid state while waiting",
        "the guest ended while it booted",
        "look at what it said: console.log beside Vagrant's log",
    ),
    (
        r"Could not set up host forwarding rule|cannot forward the specified ports",
        "the port for its SSH server is taken",
        "free it, or leave ssh_port out of the machine's TOML file and make the machine anew",
    ),
    (
        r"The provider '[^']+' could not be found, but was requested",
        "Vagrant lacks the plugin for this hypervisor",
        "install it: apt-get install vagrant-libvirt, or vagrant plugin install vagrant-qemu",
    ),
    (
        r"is reporting that it isn't usable on this system",
        "the hypervisor cannot be used here",
        "Vagrant's log says why; try another one (--hypervisor), or bring a replica up: --provider qemu",
    ),
    (
        r"Error while connecting to Libvirt|Failed to connect socket to",
        "libvirt does not answer",
        "install and start it: apt-get install libvirt-daemon-system libvirt-clients",
    ),
    (
        r"VT-x is (not available|disabled)|KVM kernel module|Could not access KVM",
        "there is no hardware virtualisation",
        "switch it on in the firmware, or bring a replica up: --provider qemu",
    ),
    (
        r"No space left on device",
        "no space is left",
        "free some where Vagrant keeps its boxes (VAGRANT_HOME) and where the hypervisor keeps its disks",
    ),
)
"""What Vagrant's own words stand for, and what to do; the first that fits counts, whatever way the words are wrapped.
Each is of Vagrant 2.3 (templates/locales/en.yml), of its libvirt plugin 0.11, or of curl, QEMU and libvirt behind."""


class BoxMissingError(BrokenEnvironment):
    """A box cannot be had; there may be another."""


class NotBootedError(BrokenEnvironment):
    """A guest did not come up in time; another attempt may do better."""


_KINDS: dict[str, type[BrokenEnvironment]] = {
    "the box cannot be had": BoxMissingError,
    "the box cannot be downloaded": BoxMissingError,
    "the guest did not boot, or its SSH server did not answer, in time": NotBootedError,
}
"""The causes after which something else can be tried."""


class VagrantCommand(vagrant.Vagrant):  # type: ignore[misc]  # it has no types
    """Vagrant in one directory.

    Args:
        directory: Where the Vagrantfile is.
        work: Whose cancellation ends the command that runs.
        machine: The machine's name, for messages; None when it is about none.

    Raises:
        BrokenEnvironment: Vagrant is not installed.
    """

    def __init__(self, directory: Path, work: Work, machine: str | None = None) -> None:
        if process.find("vagrant") is None:
            raise MISSING
        super().__init__(root=str(directory))
        self._work = work
        self._directory = directory
        self._machine = machine
        self.log = directory / "vagrant.log"
        self.bound_s = COMMAND_BOUND_S

    def _call_vagrant_command(self, args: Sequence[str | None]) -> None:
        began_at = self.log.stat().st_size if self.log.exists() else 0
        try:
            process.run(
                self._make_vagrant_command(args),
                work=self._work,
                log=self.log,
                bound_s=self.bound_s,
                cwd=self._directory,
                env=QUIET,
                tidy_s=TIDY_S,
            )
        except BrokenEnvironment as error:
            with self.log.open(errors="replace") as log:
                log.seek(began_at)
                told = explained(error, log.read())
            if self._machine:
                told.message = f"{self._machine}: {told.message}"
            raise told from error

    def _run_vagrant_command(self, args: Sequence[str | None]) -> str:
        argv = self._make_vagrant_command(args)
        return process.output_of(argv, bound_s=ASK_BOUND_S, cwd=self._directory, env=QUIET)

    def forget_the_gone(self) -> None:
        """Drop what Vagrant's list of machines still has of machines that are gone; its libvirt plugin leaves them."""
        self._run_vagrant_command(["global-status", "--prune"])

    def remove_box(self, name: str, provider: str) -> None:
        """Remove a box, all its versions; python-vagrant can only remove one."""
        self._call_vagrant_command(["box", "remove", name, "--provider", provider, "--all", "--force"])


def explained(error: BrokenEnvironment, said: str) -> BrokenEnvironment:
    """Give Vagrant's failure in the lab's words, as far as its output is known.

    Args:
        error: The failure as seen from outside.
        said: All that the command printed.
    """
    words = " ".join(said.split())
    for pattern, message, hint in CAUSES:
        if re.search(pattern, words, re.IGNORECASE):
            kind = _KINDS.get(message, BrokenEnvironment)
            return kind(f"{message} ({error.message})", hint=hint, evidence=error.evidence)
    return error


def version_of(text: str) -> tuple[int, ...]:
    """Give Vagrant's version as numbers; nothing for a text that has none."""
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
    return tuple(int(part) for part in found.groups()) if found else ()


def plugins(directory: Path, work: Work) -> frozenset[str]:
    """Give the names of Vagrant's plugins.

    Raises:
        BrokenEnvironment: Vagrant is missing, fails, or is older than MIN_VERSION.
    """
    directory.mkdir(parents=True, exist_ok=True)
    command = VagrantCommand(directory, work)
    version = version_of(command.version())
    if version < MIN_VERSION:
        raise BrokenEnvironment(
            f"Vagrant is {'.'.join(map(str, version))}, older than {'.'.join(map(str, MIN_VERSION))}",
            hint="install a newer one",
        )
    return frozenset(plugin.name for plugin in command.plugin_list())
