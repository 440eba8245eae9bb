"""The lab's Vagrant box: added to Vagrant once, removed when no machine needs it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.catalogue.machine import Box, Hypervisor
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.files import locked
from lab.foundation.home import PROVISION, Home
from lab.foundation.work import Work
from lab.image import box as image_box
from lab.image import build as image_build
from lab.image.recipe import KERNEL_ARGUMENTS, Recipe
from lab.provider import libvirt
from lab.provider.vagrant_cli import COMMAND_BOUND_S, VagrantCommand
from lab.provider.vagrantfile import BOOT_ATTEMPTS, render_box

TEMPLATE = PROVISION / "vagrant" / "box.Vagrantfile.j2"

BUSY_BOUND_S = (BOOT_ATTEMPTS + 1) * COMMAND_BOUND_S
"""How long another command may hold the boxes: each attempt of a `vagrant up` that fetches one may use its timeout."""


def build(cache: Path, work: Work) -> image_box.BoxFile:
    """Return the lab's guest image as a box, building both if the cache does not have them.

    Raises:
        BrokenEnvironment: a program or disk space is missing, or the image cannot be built.
    """
    image = image_build.ensure(Recipe.from_environment(PROVISION), cache, work)

    def vagrantfile(series: str) -> str:
        return render_box(TEMPLATE, image.kernel(series).name, image.initramfs(series).name, KERNEL_ARGUMENTS)

    return image_box.ensure(image, vagrantfile, cache, work)


def in_use(home: Home) -> list[Hypervisor]:
    """Return the hypervisors for which a lab has added its box to Vagrant and not removed it."""
    return [Hypervisor(path.name) for path in (home.path / "vagrant").glob("*")]


class OwnBox:
    """The box of one lab's image for one hypervisor; not shared with other labs, so it goes with the last machine.

    Args:
        home: The lab.
        lab_id: Distinguishes this lab from the user's other labs.
        hypervisor: The hypervisor.
        libvirt_uri: libvirt's address; None for another hypervisor.
    """

    def __init__(self, home: Home, lab_id: str, hypervisor: Hypervisor, libvirt_uri: str | None) -> None:
        self._home = home
        self._hypervisor = hypervisor
        self._libvirt_uri = libvirt_uri
        self._name = f"five-second-lab/debian-{lab_id}"
        self._directory = home.path / "vagrant" / hypervisor

    @property
    def box(self) -> Box:
        """The box as a Vagrantfile names it; it need not exist."""
        image = image_build.Image(image_build.path_of(Recipe.from_environment(PROVISION), self._home.cache))
        return Box(
            name=self._name,
            version=image_box.version_of(image),
            url=self._catalogue.as_uri(),
            hypervisors=(self._hypervisor,),
        )

    def take_in(self, work: Work) -> None:
        """Build the box and add it to Vagrant, if Vagrant does not have it.

        Raises:
            BrokenEnvironment: a program or disk space is missing, or Vagrant failed.
        """
        file = build(self._home.cache, work)
        with self._alone(work):
            image_box.write_catalogue(self._catalogue, self._name, file)
            command = VagrantCommand(self._directory, work)
            if (self._name, file.version) not in {(box.name, box.version) for box in command.box_list()}:
                with work.step("adding the guest image's box to Vagrant"):
                    command.box_add(self._name, self._catalogue.as_uri())

    def give_back(self, work: Work) -> None:
        """Remove the box from Vagrant and libvirt, and make Vagrant forget machines that no longer exist.

        Raises:
            BrokenEnvironment: Vagrant or libvirt failed; it can be retried.
        """
        with self._alone(work):
            command = VagrantCommand(self._directory, work)
            # It checks every machine of this user, and one that hangs would block it; its result is not essential.
            with contextlib.suppress(BrokenEnvironment):
                command.forget_the_gone()
            if any(box.name == self._name for box in command.box_list()):
                command.remove_box(self._name, "libvirt")
            if self._libvirt_uri:
                libvirt.remove_volumes(self._libvirt_uri, _volume(self._name))
            shutil.rmtree(self._directory)
            with contextlib.suppress(OSError):  # the directory of another hypervisor remains
                self._directory.parent.rmdir()

    @contextmanager
    def first_alone(self, box: Box, work: Work) -> Iterator[None]:
        """Make other machines of a box, of any lab, wait until the first one is created.

        Several Vagrants started in parallel would each fetch the box; and libvirt's plugin would boot from a volume
        that is still being filled.
        """
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._alone(work))
            if self._is_whole(box, work):
                stack.close()
            yield

    def _is_whole(self, box: Box, work: Work) -> bool:
        """Return whether a machine was created from the box before; called while the lock is held."""
        if self._libvirt_uri:
            prefix = f"{_volume(box.name)}_vagrant_box_image_{box.version or ''}"
            return bool(libvirt.volumes(self._libvirt_uri, prefix))
        self._directory.mkdir(parents=True, exist_ok=True)
        return any(known.name == box.name for known in VagrantCommand(self._directory, work).box_list())

    def _alone(self, work: Work) -> contextlib.AbstractContextManager[None]:
        """Lock out the user's other labs: Vagrant's boxes are shared."""
        return locked(self._home.cache / "vagrant.lock", "Vagrant's boxes", work, bound_s=BUSY_BOUND_S)

    @property
    def _catalogue(self) -> Path:
        return self._directory / "debian.json"


def _volume(box: str) -> str:
    """Return the prefix of a box's volume names, by vagrant-libvirt's rule."""
    return box.replace("/", "-VAGRANTSLASH-")
