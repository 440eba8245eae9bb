"""Finds machines by the names people type: those of the catalogue, and the kernels that were added."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lab.catalogue import find
from lab.catalogue.machine import Definition
from lab.errors import BadInput
from lab.kernels.store import Kernel, KernelStore

BOOT_BOUND_S = 120.0
"""For a kernel that nobody knows: ten times what one takes under emulation on an idle machine."""


def machines(
    directory: Path, store: KernelStore, names: Iterable[str], *, all_kernels: bool = False
) -> list[Definition]:
    """Give the machines of these names, each once, in the order given.

    Args:
        directory: The catalogue's machines.
        store: The kernels.
        names: What was typed; nothing stands for all machines of the catalogue.
        all_kernels: Whether nothing stands for all kernels as well.

    Raises:
        BadInput: there is no machine of a name (the message lists those there are), or its file is wrong.
    """
    kernels = store.names()
    named = list(dict.fromkeys(names))
    if not named:
        of_kernels = [definition(kernel) for kernel in store.all()] if all_kernels else []
        return [*find.machines(directory, ()), *of_kernels]
    found = []
    for name in named:
        if name in kernels:
            found.append(definition(store.get(name)))
            continue
        try:
            found += find.machines(directory, [name])
        except BadInput as error:
            if kernels and not name.endswith(".toml"):
                raise BadInput(f"{error.message}; kernels: {', '.join(kernels)}", hint=error.hint) from error
            raise
    return found


def definition(kernel: Kernel) -> Definition:
    """Give a kernel as a machine."""
    era = kernel.classified.era if kernel.classified else None
    return Definition(name=kernel.name, era=era, added=kernel.system, boot_bound_s=BOOT_BOUND_S)
