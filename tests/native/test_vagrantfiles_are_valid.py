"""Real Vagrant reads every Vagrantfile that the lab can render."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lab import keys
from lab.catalogue.machine import Hypervisor
from lab.provider.own_box import TEMPLATE as BOX_TEMPLATE
from lab.provider.vagrant import LOGIN_SCRIPT
from lab.provider.vagrantfile import render_box
from tests.unit.test_vagrantfile import VARIATIONS, rendered

BLOCK_CHECK = Path(__file__).parent / "validate_block.rb"


def run(directory: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command with a Vagrant home of its own."""
    home = directory.parent / "vagrant-home"
    return subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, "HOME": str(home), "VAGRANT_HOME": str(home), "VAGRANT_DEFAULT_PROVIDER": "libvirt"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def write(directory: Path, text: str) -> Path:
    """Write a Vagrantfile where everything that it names is."""
    machine = directory / "machine"
    machine.mkdir()
    shutil.copy(LOGIN_SCRIPT, machine / "login.sh")
    (machine / "Vagrantfile").write_text(text)
    return machine


@pytest.mark.parametrize(("hypervisor", "system", "accelerated"), VARIATIONS)
def test_vagrant_takes_every_variation(
    tmp_path: Path,
    hypervisor: Hypervisor,
    system: str,
    accelerated: bool,  # noqa: FBT001
) -> None:
    """All but the provider's own block, which needs the provider."""
    login = keys.ensure(tmp_path / "keys" / "login").private
    machine = write(tmp_path, rendered(hypervisor, system, accelerated=accelerated, key_file=login))
    done = run(machine, "vagrant", "validate", "--ignore-provider")

    assert done.returncode == 0, done.stdout + done.stderr
    assert run(machine, "ruby", "-wc", "Vagrantfile").stderr == ""


@pytest.mark.parametrize(
    ("hypervisor", "check"),
    [
        (Hypervisor.LIBVIRT, ("vagrant", "validate")),
        (Hypervisor.VIRTUALBOX, ("ruby", BLOCK_CHECK, ".", "old", "virtualbox")),
    ],
)
def test_the_providers_own_class_takes_its_block(
    tmp_path: Path, hypervisor: Hypervisor, check: tuple[str | Path, ...]
) -> None:
    """No setting is named that the provider does not have; a misspelt one would be told."""
    login = keys.ensure(tmp_path / "keys" / "login").private
    text = rendered(hypervisor, "centos", accelerated=True, key_file=login)
    machine = write(tmp_path, text)
    done = run(machine, *check)
    assert done.returncode == 0, done.stderr[:2000]

    (machine / "Vagrantfile").write_text(text.replace(f"{hypervisor}.memory", f"{hypervisor}.memroy"))
    misspelt = run(machine, *check)
    assert misspelt.returncode == 1
    assert "memroy" in misspelt.stderr


def test_vagrant_takes_what_the_lab_s_box_says_of_itself(tmp_path: Path) -> None:
    """It is read with every machine made of the box."""
    text = render_box(BOX_TEMPLATE, "vmlinuz-6.1", "initramfs-6.1", "console=ttyS0")
    (tmp_path / "box").mkdir()
    machine = write(tmp_path / "box", text.replace("|config|", '|config|\n  config.vm.box = "a/b"', 1))
    done = run(machine, "vagrant", "validate", "--ignore-provider")

    assert done.returncode == 0, done.stdout + done.stderr
