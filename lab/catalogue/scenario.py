"""Scenarios: what is set up before a lookup, and what each era makes of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from lab.catalogue.document import Model
from lab.catalogue.era import Era


class Expected(StrEnum):
    """How every trial that counts is expected to go."""

    HEALTHY = "healthy"
    STALLED = "stalled"


class Resolver(Model):
    """Tell glibc's resolver: these go on the `options` line of resolv.conf(5)."""

    do: Literal["resolver"]
    options: tuple[Annotated[str, Field(pattern=r"^[a-z0-9:-]+$")], ...]


class Queue(Model):
    """Send the DNS packets to NFQUEUE at POST_ROUTING, where the verdict program accepts every one.

    Attributes:
        by: Who sends them there: the kernel module `nfqdns`.
        hold_packets: The verdict program lets packets go when this many wait ...
        hold_s: ... or this many seconds after the first of them came, whichever is first.
    """

    do: Literal["queue"]
    by: Literal["nfqdns"]
    hold_packets: Annotated[int, Field(ge=1, le=1024)] = 1
    hold_s: Annotated[float, Field(ge=0, le=5)] = 0.0


class Lookup(Model):
    """Look a name up and fetch its page: this is what a trial times.

    Attributes:
        client: The program that does it.
        name: The host name; the test network answers for everything under `lab.test`.
        bound_s: When the client gives up, in seconds.
    """

    do: Literal["lookup"]
    client: Literal["curl"] = "curl"
    name: Annotated[str, Field(pattern=r"^([a-z0-9-]+\.)+test$")] = "www.lab.test"
    bound_s: Annotated[int, Field(ge=6, le=120)] = 30


Step = Annotated[Resolver | Queue | Lookup, Field(discriminator="do")]


class Scenario(Model):
    """One scenario, as its TOML file gives it; the file's name is the scenario's.

    Attributes:
        name: What people type.
        title: One line about it.
        shows: What a trainer would say it shows.
        arms: Whether it sets out to arm the race; then only armed trials count.
        step: What is done, in order; the last is the lookup.
        expected: How its trials go in each era.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,60}$")]
    title: Annotated[str, Field(min_length=1)]
    shows: Annotated[str, Field(min_length=1)]
    arms: bool = False
    step: Annotated[tuple[Step, ...], Field(min_length=1)]
    expected: dict[Era, Expected]

    @property
    def lookup(self) -> Lookup:
        """The lookup it times: the one given, or one with the defaults."""
        return next((step for step in self.step if isinstance(step, Lookup)), Lookup(do="lookup"))

    @property
    def queue(self) -> Queue | None:
        """How it queues DNS packets; None when it does not."""
        return next((step for step in self.step if isinstance(step, Queue)), None)

    @property
    def resolver_options(self) -> tuple[str, ...]:
        """All options its resolver steps give."""
        return tuple(option for step in self.step if isinstance(step, Resolver) for option in step.options)
