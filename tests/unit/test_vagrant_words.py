"""What Vagrant says when it fails, in the lab's words."""

from __future__ import annotations

import pytest

from lab.errors import BrokenEnvironment
from lab.provider.vagrant_cli import BoxMissingError, explained, version_of

SAID = {
    "the box cannot be had": """
The box 'chef/centos-7.0' could not be found or
could not be accessed in the remote catalog. If this is a private
box on HashiCorp's Vagrant Cloud, please verify you're logged in via
`vagrant login`.""",
    "the guest did not boot": """
Timed out while waiting for the machine to boot. This means that
Vagrant was unable to communicate with the guest machine within
the configured ("config.vm.boot_timeout" value) time period.""",
    "the port for its SSH server is taken": """
Vagrant cannot forward the specified ports on this VM, since they
would collide with some other application that is already listening
on these ports. The forwarded port to 50022 is already in use
on the host machine.""",
    "there is no hardware virtualisation": """
There was an error while executing `VBoxManage`, a CLI used by Vagrant
Stderr: VBoxManage: error: VT-x is not available (VERR_VMX_NO_VMX)""",
    "libvirt does not answer": """
Error while connecting to Libvirt: Error making a connection to libvirt URI qemu:///system:
Call to virConnectOpen failed: Failed to connect socket to '/var/run/libvirt/libvirt-sock'""",
    "Vagrant lacks the plugin": """
The provider 'qemu' could not be found, but was requested to
back the machine 'default'. Please use a provider that exists.""",
}
"""Of Vagrant 2.3.4 (templates/locales/en.yml), VirtualBox and libvirt."""


@pytest.mark.parametrize("message", SAID)
def test_a_known_failure_is_named_with_what_to_do(message: str) -> None:
    """The reader need not know Vagrant."""
    error = explained(BrokenEnvironment("vagrant failed with exit status 1"), SAID[message])

    assert error.message.startswith(message)
    assert error.hint
    assert isinstance(error, BoxMissingError) == message.startswith("the box")


def test_an_unknown_failure_stays_as_it_is() -> None:
    """With Vagrant's last words; no cause is guessed."""
    error = BrokenEnvironment("vagrant failed with exit status 1", hint="it said: something new")

    assert explained(error, "something new") is error


@pytest.mark.parametrize(
    ("text", "version"), [("2.3.4", (2, 3, 4)), ("2.4.10.dev", (2, 4, 10)), ("Vagrant", ()), ("", ())]
)
def test_versions_are_compared_as_numbers(text: str, version: tuple[int, ...]) -> None:
    """2.10 comes after 2.9."""
    assert version_of(text) == version
