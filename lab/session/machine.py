"""A machine together with the choice of what it consists of and who brings it up."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lab.catalogue.machine import Definition, Machine
from lab.provider.choice import Choice, applied


class ChosenMachine(Machine):
    """One machine of the lab on its chosen system.

    Attributes:
        choice: How it is, or will be, brought up. No part of what its guest is made of, so never dumped with it.
    """

    choice: Annotated[Choice, Field(exclude=True)]

    @classmethod
    def of(cls, definition: Definition, choice: Choice) -> ChosenMachine:
        """Return the machine that a choice makes of a definition.

        Raises:
            BadInput: the definition no longer has the chosen system.
        """
        machine = applied(definition, choice)
        # All of it was validated when the machine was read.
        fields = {field: getattr(machine, field) for field in Machine.model_fields}
        return cls.model_construct(choice=choice, **fields)
