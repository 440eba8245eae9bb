"""Every error message of the installed Vagrant and of its libvirt plugin: which ones the lab explains."""

from __future__ import annotations

import json
import subprocess

import pytest

from lab.foundation.errors import BrokenEnvironment
from lab.provider.vagrant_cli import CAUSES, explained

KNOWN = {
    "vagrant": {
        "box_add_short_not_found": "the box cannot be had",
        "box_add_no_matching_version": "the box cannot be had",
        "box_add_no_matching_provider": "the box cannot be had",
        "box_metadata_malformed": "the box cannot be had",
        "box_metadata_download_error": "the box cannot be downloaded",
        "downloader_error": "the box cannot be downloaded",
        "boot_timeout": "the guest did not boot, or its SSH server did not answer, in time",
        "boot_bad_state": "the guest exited while it booted",
        "collision_error": "the port for its SSH server is taken",
        "provider_not_found": "Vagrant lacks the plugin for this hypervisor",
        "provider_not_found_suggestion": "Vagrant lacks the plugin for this hypervisor",
        "provider_not_usable": "the hypervisor cannot be used here",
    },
    "vagrant-libvirt": {"fog_libvirt_connection_error": "libvirt does not answer"},
}
"""All messages of each gem that have a cause."""

OF_OTHERS = {
    "there is no hardware virtualisation",
    "another hypervisor (KVM) uses the processor's hardware virtualisation, which VirtualBox needs for itself",
    "no space is left",
}
"""Causes reported only by the programs that Vagrant calls."""

READ = """
require "json"
require "yaml"
gem = Gem::Specification.find_by_name(ARGV[0]).gem_dir
puts JSON.dump(YAML.load_file(Dir.glob("#{gem}/{templates/,}locales/en.yml").first)["en"])
"""


def errors_of(gem: str) -> dict[str, str]:
    """Return the error messages of a gem: those that stop a command."""
    output = subprocess.run(["ruby", "-e", READ, gem], capture_output=True, text=True, check=True).stdout
    texts = json.loads(output)
    if gem == "vagrant":
        ports = texts["vagrant"]["actions"]["vm"]["forward_ports"]
        return {**texts["vagrant"]["errors"], "collision_error": ports["collision_error"]}
    return dict(texts["vagrant_libvirt"]["errors"])


@pytest.mark.parametrize("gem", KNOWN)
def test_each_vagrant_message_has_exactly_its_known_cause(gem: str) -> None:
    """After an unavailable box the next one is tried; a message missed here costs a machine."""
    causes = {}
    for key, text in errors_of(gem).items():
        error = BrokenEnvironment("vagrant failed with exit status 1")
        explanation = explained(error, text)
        if explanation is not error:
            causes[key] = explanation.message.partition(" (")[0]

    assert causes == KNOWN[gem]


def test_every_cause_has_a_message() -> None:
    """Each cause is tested with a real message, here or in the unit tests."""
    causes = {message for _, message, _ in CAUSES}

    assert causes == {cause for messages in KNOWN.values() for cause in messages.values()} | OF_OTHERS
