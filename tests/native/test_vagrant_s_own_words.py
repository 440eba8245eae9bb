"""Every message of the Vagrant that is installed, and of its libvirt plugin: which the lab explains, and how."""

from __future__ import annotations

import json
import subprocess

import pytest

from lab.errors import BrokenEnvironment
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
        "boot_bad_state": "the guest ended while it booted",
        "collision_error": "the port for its SSH server is taken",
        "provider_not_found": "Vagrant lacks the plugin for this hypervisor",
        "provider_not_found_suggestion": "Vagrant lacks the plugin for this hypervisor",
        "provider_not_usable": "the hypervisor cannot be used here",
    },
    "vagrant-libvirt": {"fog_libvirt_connection_error": "libvirt does not answer"},
}
"""Of each gem, all messages for which there is a cause."""

OF_OTHERS = {"there is no hardware virtualisation", "no space is left"}
"""Causes that only the programs behind Vagrant tell of."""

READ = """
require "json"
require "yaml"
gem = Gem::Specification.find_by_name(ARGV[0]).gem_dir
puts JSON.dump(YAML.load_file(Dir.glob("#{gem}/{templates/,}locales/en.yml").first)["en"])
"""


def errors_of(gem: str) -> dict[str, str]:
    """Give the error messages of a gem: those that stop a command."""
    said = subprocess.run(["ruby", "-e", READ, gem], capture_output=True, text=True, check=True).stdout
    texts = json.loads(said)
    if gem == "vagrant":
        ports = texts["vagrant"]["actions"]["vm"]["forward_ports"]
        return {**texts["vagrant"]["errors"], "collision_error": ports["collision_error"]}
    return dict(texts["vagrant_libvirt"]["errors"])


@pytest.mark.parametrize("gem", KNOWN)
def test_each_of_its_messages_has_the_cause_that_it_is_known_by_and_no_other(gem: str) -> None:
    """After a box that cannot be had the next one is tried, so that a message that is missed here costs a machine."""
    found = {}
    for key, text in errors_of(gem).items():
        error = BrokenEnvironment("vagrant failed with exit status 1")
        told = explained(error, text)
        if told is not error:
            found[key] = told.message.partition(" (")[0]

    assert found == KNOWN[gem]


def test_no_cause_is_without_a_message() -> None:
    """Each is of somebody, and is tested with his words, here or in the unit tests."""
    causes = {message for _, message, _ in CAUSES}

    assert causes == {cause for messages in KNOWN.values() for cause in messages.values()} | OF_OTHERS
