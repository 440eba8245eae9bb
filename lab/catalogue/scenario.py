"""Scenarios: what is set up before a lookup, and what each era makes of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from lab.catalogue.client import Client
from lab.catalogue.document import Model
from lab.catalogue.era import Era

ADDRESS = r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$"


QueuedBy = Literal["nfqdns", "iptables", "nftables"]
"""Who sends packets to NFQUEUE: the lab's hook module, or a rule."""


class Expected(StrEnum):
    """How every trial that counts is expected to go."""

    HEALTHY = "healthy"
    STALLED = "stalled"


class Resolver(Model):
    """Tell the resolver whom to ask and how.

    Attributes:
        options: These go on the `options` line of resolv.conf(5).
        nameserver: Whom to ask, instead of the test network's server.
        glibc: The oldest C library that knows the options; on an older one the scenario is left out.
    """

    do: Literal["resolver"]
    options: tuple[Annotated[str, Field(pattern=r"^[a-z0-9:-]+$")], ...] = ()
    nameserver: Annotated[str, Field(pattern=ADDRESS)] | None = None
    glibc: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+$")] | None = None


class Cache(Model):
    """Put a caching resolver of the lane's own between the client and the server."""

    do: Literal["cache"]


class Queue(Model):
    """Send the DNS packets to NFQUEUE, where the verdict program accepts every one.

    Attributes:
        by: Who sends them there: the kernel module `nfqdns`, which takes every DNS packet and logs its conntrack, or a
            rule of iptables or nftables, which takes those that leave by the lane's interface.
        table: Where a rule does it: `mangle` is at POST_ROUTING, as the module; `raw` is at OUTPUT, before conntrack.
        bypass: Whether a rule lets packets pass while no program listens.
        listener: Whether the verdict program listens.
        hold_packets: It lets packets go when this many wait ...
        hold_s: ... or each of them this many seconds after it came, whichever is first.
    """

    do: Literal["queue"]
    by: QueuedBy
    table: Literal["mangle", "raw"] = "mangle"
    bypass: bool = False
    listener: bool = True
    hold_packets: Annotated[int, Field(ge=1, le=1024)] = 1
    hold_s: Annotated[float, Field(ge=0, le=5)] = 0.0


class Firewall(Model):
    """Load rules of one's own into the lane.

    Attributes:
        rules: What iptables-restore(8) reads.
    """

    do: Literal["firewall"]
    rules: Annotated[str, Field(min_length=1)]


class Delay(Model):
    """Delay queries for AAAA on the wire, that is after conntrack, with tc-netem(8).

    Attributes:
        by_s: For how long, in seconds.
    """

    do: Literal["delay"]
    by_s: Annotated[float, Field(gt=0, le=2)]


class Outside(Model):
    """Look up a real name at a real resolver, outside of the test network: the machine must have a way out.

    Attributes:
        name: The host name; a client that fetches a page fetches it from there.
        nameserver: The resolver's address.
    """

    do: Literal["outside"]
    name: Annotated[str, Field(pattern=r"^([A-Za-z0-9_-]{1,63}\.)+[A-Za-z0-9-]{1,63}$", max_length=253)]
    nameserver: Annotated[str, Field(pattern=ADDRESS)]


class Lookup(Model):
    """Look a name up: this is what a trial times.

    Attributes:
        client: The program that does it; curl fetches the page, too.
        arguments: Given to the client before the name.
        name: The host name; the test network answers for everything under `lab.test`.
        bound_s: When the client is given up, in seconds.
    """

    do: Literal["lookup"]
    client: Client = Client.CURL
    arguments: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9=-]+$")], ...] = ()
    name: Annotated[str, Field(pattern=r"^([a-z0-9-]+\.)+test$")] = "www.lab.test"
    bound_s: Annotated[int, Field(ge=6, le=120)] = 30


Step = Annotated[Resolver | Cache | Queue | Firewall | Delay | Outside | Lookup, Field(discriminator="do")]


class Scenario(Model):
    """One scenario, as its TOML file gives it; the file's name is the scenario's.

    Attributes:
        name: What people type.
        title: One line about it.
        shows: What a trainer would say it shows.
        arms: Whether it sets out to arm the race; then only armed trials count.
        may_stay_unarmed: Whether it is as well when no trial could be armed: it leaves that to chance.
        step: What is done, in order; the last is the lookup.
        expected: How its trials go in each era; nothing is expected of an era that is not there.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,60}$")]
    title: Annotated[str, Field(min_length=1)]
    shows: Annotated[str, Field(min_length=1)]
    arms: bool = False
    may_stay_unarmed: bool = False
    step: Annotated[tuple[Step, ...], Field(min_length=1)]
    expected: dict[Era, Expected]

    @property
    def lookup(self) -> Lookup:
        """The lookup it times: the one given, or one with the defaults."""
        return next((step for step in self.step if isinstance(step, Lookup)), Lookup(do="lookup"))

    @property
    def outside(self) -> Outside | None:
        """The real name and resolver it is about; None when it stays in the test network."""
        return next((step for step in self.step if isinstance(step, Outside)), None)

    @property
    def target(self) -> str:
        """The name that is looked up."""
        return self.outside.name if self.outside else self.lookup.name

    def aimed(self, outside: Outside) -> Scenario | None:
        """Give this scenario with a real name and resolver; None when it is about the test network's own."""
        bound = any(isinstance(step, Cache | Firewall) for step in self.step)
        return None if bound else self.model_copy(update={"step": (outside, *self.step)})

    @property
    def queue(self) -> Queue | None:
        """How it queues DNS packets; None when it does not."""
        return next((step for step in self.step if isinstance(step, Queue)), None)

    @property
    def hook(self) -> Queue | None:
        """The queue that the hook module sends packets to; None when it is not used."""
        return self.queue if self.queue and self.queue.by == "nfqdns" else None

    @property
    def queues_packets(self) -> bool:
        """Whether queries are bound to end up in a queue: over TCP none does, and none where nobody listens."""
        over_tcp = any("use-vc" in step.options for step in self.step if isinstance(step, Resolver))
        return self.queue is not None and self.queue.listener and not over_tcp
