"""Vagrant's command line, through python-vagrant, with timeouts, logs and cancellation."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

# python-vagrant logs a warning at import when Vagrant is missing; the lab reports that where it matters.
logging.getLogger("vagrant").addHandler(logging.NullHandler())
import vagrant  # noqa: E402

from lab.foundation import process  # noqa: E402
from lab.foundation.errors import BrokenEnvironment  # noqa: E402
from lab.foundation.work import Work  # noqa: E402

MIN_VERSION = (2, 2, 19)
"""The first version for Ruby 3 and current OpenSSH; Debian 12 has 2.3.4."""

COMMAND_BOUND_S = 3600.0
"""Default timeout of a command: a box may be downloaded over a slow line."""

ASK_BOUND_S = 60.0
"""Timeout of a query such as `vagrant status`, which takes a second on an idle machine."""

TIDY_S = 60.0
"""How long Vagrant may take to clean up when it is interrupted."""

QUIET = {
    "VAGRANT_NO_COLOR": "1",
    "VAGRANT_CHECKPOINT_DISABLE": "1",
    "VAGRANT_BOX_UPDATE_CHECK_DISABLE": "1",
    "VAGRANT_IGNORE_WINRM_PLUGIN": "1",
}
"""Environment that keeps Vagrant from checking for newer versions."""

MISSING = BrokenEnvironment(
    "Vagrant is not installed",
    hint="lab doctor has the command that installs it; or do without it: --system kernel, or --system replica",
)

CAUSES = (
    (
        (
            r"could not be found or could not be accessed in the remote catalog|Couldn't open file|"
            r"The requested URL returned error|has no available version that matches the constraints|"
            r"doesn't support the provider you requested|The metadata for the box was malformed"
        ),
        "the box cannot be had",
        "check its name and the network; boxes and their addresses are in lab/machines/*.toml",
    ),
    (
        (
            r"Could not resolve host|Failed to connect to|An error occurred while downloading the remote file|"
            r"error while downloading the metadata for this box"
        ),
        "the box cannot be downloaded",
        "check the network; a replica needs none: --system replica",
    ),
    (
        r"Timed out while waiting for the machine to boot|Fog::Errors::TimeoutError|specified wait_for timeout",
        "the guest did not boot, or its SSH server did not answer, in time",
        "try again on an idle machine, or raise boot_bound_s in the machine's TOML file",
    ),
    (
        r"entered an invalid state while waiting",
        "the guest exited while it booted",
        "look at its output: console.log beside Vagrant's log",
    ),
    (
        r"Could not set up host forwarding rule|cannot forward the specified ports",
        "the port for its SSH server is taken",
        "free it, or leave ssh_port out of the machine's TOML file and recreate the machine",
    ),
    (
        r"The provider '[^']+' could not be found, but was requested",
        "Vagrant lacks the plugin for this hypervisor",
        "lab doctor has the command that installs vagrant-libvirt; for QEMU: vagrant plugin install vagrant-qemu",
    ),
    (
        r"is reporting that it isn't usable on this system",
        "the hypervisor cannot be used here",
        "Vagrant's log has the reason; try another one: --hypervisor; or without Vagrant: --system kernel or replica",
    ),
    (
        r"Error while connecting to Libvirt|Failed to connect socket to",
        "libvirt does not answer",
        "start it; lab doctor has the command that installs it",
    ),
    (
        # VBox/err.h: another hypervisor, such as KVM, holds the processor's extension for virtualisation.
        r"VERR_VMX_IN_VMX_ROOT_MODE|VERR_SVM_IN_USE",
        "another hypervisor (KVM) uses the processor's hardware virtualisation, which VirtualBox needs for itself",
        "halt the other guests and unload KVM: rmmod kvm_intel kvm_amd kvm; or use libvirt: --hypervisor libvirt",
    ),
    (
        r"VT-x is (not available|disabled)|KVM kernel module|Could not access KVM",
        "there is no hardware virtualisation",
        "switch it on in the firmware, or do without Vagrant: --system kernel, or --system replica",
    ),
    (
        r"No space left on device",
        "no space is left",
        "free some where Vagrant keeps its boxes (VAGRANT_HOME) and where the hypervisor keeps its disks",
    ),
)
"""Patterns in Vagrant's output with the lab's message and hint; the first match counts, regardless of line breaks.
The texts are those of Vagrant 2.3 (templates/locales/en.yml), its libvirt plugin 0.11, curl, QEMU and libvirt."""


class BoxMissingError(BrokenEnvironment):
    """A box cannot be obtained; there may be another."""


class NotBootedError(BrokenEnvironment):
    """A guest did not come up in time; another attempt may succeed."""


_KINDS: dict[str, type[BrokenEnvironment]] = {
    "the box cannot be had": BoxMissingError,
    "the box cannot be downloaded": BoxMissingError,
    "the guest did not boot, or its SSH server did not answer, in time": NotBootedError,
}
"""Causes after which something else can be tried."""


class VagrantCommand(vagrant.Vagrant):  # type: ignore[misc]  # it has no types
    """Vagrant in one directory.

    Args:
        directory: Directory of the Vagrantfile.
        work: Its cancellation ends the running command.
        machine: The machine's name, for messages; None for commands without a machine.

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
                failure = explained(error, log.read())
            if self._machine:
                failure.message = f"{self._machine}: {failure.message}"
            raise failure from error

    def _run_vagrant_command(self, args: Sequence[str | None]) -> str:
        argv = self._make_vagrant_command(args)
        return process.output_of(argv, bound_s=ASK_BOUND_S, cwd=self._directory, env=QUIET)

    def forget_the_gone(self) -> None:
        """Remove stale machines from Vagrant's global list, which its libvirt plugin leaves there."""
        self._run_vagrant_command(["global-status", "--prune"])

    def remove_box(self, name: str, provider: str) -> None:
        """Remove all versions of a box; python-vagrant can remove only one."""
        self._call_vagrant_command(["box", "remove", name, "--provider", provider, "--all", "--force"])


def explained(error: BrokenEnvironment, output: str) -> BrokenEnvironment:
    """Return Vagrant's failure with the lab's message, if its output is known.

    Args:
        error: The failure of the command.
        output: The command's output.
    """
    words = " ".join(output.split())
    for pattern, message, hint in CAUSES:
        if re.search(pattern, words, re.IGNORECASE):
            kind = _KINDS.get(message, BrokenEnvironment)
            return kind(f"{message} ({error.message})", hint=hint, evidence=error.evidence)
    return error


def version_of(text: str) -> tuple[int, ...]:
    """Return Vagrant's version as numbers; empty for a text without one."""
    match = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
    return tuple(int(part) for part in match.groups()) if match else ()


def plugins(directory: Path, work: Work) -> frozenset[str]:
    """Return the names of Vagrant's plugins.

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
