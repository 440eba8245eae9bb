"""Vagrant's error messages translated into the lab's messages."""

from __future__ import annotations

import pytest

from lab.foundation.errors import BrokenEnvironment
from lab.provider.vagrant_cli import BoxMissingError, explained, version_of

OUTPUTS = {
    "the box cannot be had": """
An error occurred while downloading the remote file. The error
message, if any, is reproduced below. Please fix this error and try
again.

The requested URL returned error: 404""",
    "the box cannot be downloaded": """
There was an error while downloading the metadata for this box.
The error message is shown below:

Could not resolve host: boxes.example.org""",
    "the guest did not boot, or its SSH server did not answer, in time": """
/usr/share/rubygems-integration/all/gems/fog-core-2.3.0/lib/fog/core/wait_for.rb:9:in `wait_for':
The specified wait_for timeout (2 seconds) was exceeded (Fog::Errors::TimeoutError)""",
    "the port for its SSH server is taken": """
Error while creating domain: internal error: process exited while connecting to monitor:
qemu-system-x86_64: -netdev user,id=lab,restrict=on,hostfwd=tcp:127.0.0.1:50022-:22:
Could not set up host forwarding rule 'tcp:127.0.0.1:50022-:22'""",
    "there is no hardware virtualisation": """
There was an error while executing `VBoxManage`, a CLI used by Vagrant
Stderr: VBoxManage: error: VT-x is not available (VERR_VMX_NO_VMX)""",
    "another hypervisor (KVM) uses the processor's hardware virtualisation, which VirtualBox needs for itself": """
There was an error while executing `VBoxManage`, a CLI used by Vagrant
Stderr: VBoxManage: error: VT-x is being used by another hypervisor (VERR_VMX_IN_VMX_ROOT_MODE).
VBoxManage: error: VirtualBox can't operate in VMX root mode.""",
    "libvirt does not answer": """
Error while connecting to Libvirt: Error making a connection to libvirt URI qemu:///system:
Call to virConnectOpen failed: Failed to connect socket to '/var/run/libvirt/libvirt-sock'""",
    "no space is left": """
Error while uploading image to storage pool: cannot write data to stream: No space left on device""",
}
"""Messages of the programs that Vagrant calls: curl, fog, QEMU, VirtualBox and libvirt. Vagrant's own messages are in
tests/native/test_vagrant_s_own_words.py."""


@pytest.mark.parametrize("message", OUTPUTS)
def test_a_known_failure_is_named_with_what_to_do(message: str) -> None:
    """The reader need not know Vagrant."""
    error = explained(BrokenEnvironment("vagrant failed with exit status 1"), OUTPUTS[message])

    assert error.message.startswith(f"{message} (")
    assert error.hint
    assert isinstance(error, BoxMissingError) == message.startswith("the box")


def test_amds_message_of_a_busy_extension_is_recognised() -> None:
    """Each vendor's processors have another name for the same cause."""
    text = "VBoxManage: error: AMD-V is being used by another hypervisor (VERR_SVM_IN_USE)."

    assert "another hypervisor (KVM)" in explained(BrokenEnvironment("vagrant failed"), text).message


def test_an_unknown_failure_stays_as_it_is() -> None:
    """The error has Vagrant's last output, and no guessed cause."""
    error = BrokenEnvironment("vagrant failed with exit status 1", hint="its output: something new")

    assert explained(error, "something new") is error


@pytest.mark.parametrize(
    ("text", "version"), [("2.3.4", (2, 3, 4)), ("2.4.10.dev", (2, 4, 10)), ("Vagrant", ()), ("", ())]
)
def test_versions_are_compared_as_numbers(text: str, version: tuple[int, ...]) -> None:
    """2.10 comes after 2.9."""
    assert version_of(text) == version
