"""Finds machines by name: those of the catalogue, and kernels that were added."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lab.catalogue import find
from lab.catalogue.machine import Definition
from lab.foundation.errors import BadInput
from lab.kernels.store import Kernel, KernelStore

BOOT_BOUND_S = 120.0
"""Boot timeout of an added kernel: ten times what one takes under emulation on an idle machine."""


def machines(
    directory: Path, store: KernelStore, names: Iterable[str], *, all_kernels: bool = False
) -> list[Definition]:
    """Return the machines with these names, without duplicates, in the given order.

    Args:
        directory: The catalogue's machines.
        store: The kernels.
        names: Names as typed; none means all machines of the catalogue, and a known kernel's name means the added
            kernel.
        all_kernels: Whether no names means all kernels as well.

    Raises:
        BadInput: there is no machine with a name (the message lists the existing ones), or its file is invalid.
    """
    kernels = store.names()
    named = list(dict.fromkeys(map(store.called, names)))
    if not named:
        of_kernels = [definition(kernel) for kernel in store.all()] if all_kernels else []
        return [*find.machines(directory, ()), *of_kernels]
    definitions = []
    for name in named:
        if name in kernels:
            definitions.append(definition(store.get(name)))
            continue
        try:
            definitions += find.machines(directory, [name])
        except BadInput as error:
            if ":" in name:
                raise BadInput(
                    error.message,
                    hint=f"a known kernel has to be added first: lab kernel add {name}",
                ) from error
            if kernels and not name.endswith(".toml"):
                raise BadInput(f"{error.message}; kernels: {', '.join(kernels)}", hint=error.hint) from error
            raise
    return definitions


def definition(kernel: Kernel) -> Definition:
    """Return the machine definition of a kernel."""
    era = kernel.classified.era if kernel.classified else None
    return Definition(name=kernel.name, era=era, added=kernel.system, boot_bound_s=BOOT_BOUND_S)
