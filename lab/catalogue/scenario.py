"""Scenarios: the setup before a lookup, and the expected outcome per era."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lab.catalogue.agent import Agent, Brought, Service
from lab.catalogue.client import Client
from lab.catalogue.document import Model
from lab.catalogue.era import Era
from lab.catalogue.queue import Queue

ADDRESS = r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$"
ANY_ADDRESS = r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-f:]{2,39})$"
"""An IPv4 or IPv6 address."""

NAMESERVERS_MAX = 3
"""MAXNS in resolv.h."""


class Shape(StrEnum):
    """The client's place in the network."""

    HOST = "host"
    """In the lane, whose kernel sends its packets."""
    FORWARDED = "forwarded"
    """Behind the lane, which forwards its packets, as a router or a node of a cluster does."""
    BRIDGED = "bridged"
    """Behind the lane, which bridges its packets and shows them to netfilter (br_netfilter)."""


class ClientNetwork(Model):
    """The network of a scenario.

    Attributes:
        shape: The client's place.
        ipv6: Whether the lane and its servers also have IPv6 addresses; the servers' are fd00:10:10:10::53 and ::54.
    """

    shape: Shape = Shape.HOST
    ipv6: bool = False


class Expected(StrEnum):
    """The expected outcome of every counted trial."""

    HEALTHY = "healthy"
    STALLED = "stalled"
    FAILED = "failed"
    """The name is not resolved."""


class Resolver(Model):
    """Configure the resolver.

    Attributes:
        options: Words of the `options` line of resolv.conf(5).
        nameserver: The server to query, instead of the test network's server.
        nameservers: Several servers to query, in this order.
        search: Search domains. Under `search.test` no name exists.
        glibc: The oldest glibc that supports the options; on an older one the scenario is left out.
    """

    do: Literal["resolver"]
    options: tuple[Annotated[str, Field(pattern=r"^[a-z0-9:-]+$")], ...] = ()
    nameserver: Annotated[str, Field(pattern=ANY_ADDRESS)] | None = None
    nameservers: Annotated[
        tuple[Annotated[str, Field(pattern=ANY_ADDRESS)], ...], Field(max_length=NAMESERVERS_MAX)
    ] = ()
    search: Annotated[tuple[Annotated[str, Field(pattern=r"^([a-z0-9-]+\.)+test$")], ...], Field(max_length=6)] = ()
    glibc: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+$")] | None = None

    @property
    def servers(self) -> tuple[str, ...]:
        """The servers to query; none for the test network's server."""
        return self.nameservers or ((self.nameserver,) if self.nameserver else ())

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.nameserver and self.nameservers:
            raise ValueError("nameserver and nameservers exclude each other")
        return self


class Cache(Model):
    """Put a caching resolver, one per lane, between the client and the server.

    Attributes:
        address: Where it listens; an address that is not of the loopback is the lane's, also for a client behind it.
    """

    do: Literal["cache"]
    address: Annotated[str, Field(pattern=ADDRESS)] = "127.0.0.1"


class Firewall(Model):
    """Load firewall rules into the lane.

    Attributes:
        rules: Input of iptables-restore(8).
    """

    do: Literal["firewall"]
    rules: Annotated[str, Field(min_length=1)]


class Delay(Model):
    """Delay queries for AAAA on the wire, that is after conntrack, with tc-netem(8).

    Attributes:
        by_s: The delay, in seconds.
    """

    do: Literal["delay"]
    by_s: Annotated[float, Field(gt=0, le=2)]


class Outside(Model):
    """Look up a real name at a real resolver outside of the test network; the machine needs external connectivity.

    Attributes:
        name: The host name; clients that fetch a page fetch it from this host.
        nameserver: The resolver's address.
    """

    do: Literal["outside"]
    name: Annotated[str, Field(pattern=r"^([A-Za-z0-9_-]{1,63}\.)+[A-Za-z0-9-]{1,63}$", max_length=253)]
    nameserver: Annotated[str, Field(pattern=ADDRESS)]


class TimedLookup(Model):
    """Look up a name: the lookup that a trial times.

    Attributes:
        client: The client program; curl also fetches a page.
        arguments: Arguments of the client before the name.
        name: The host name; the test network answers for all names under `lab.test`.
        bound_s: The client's timeout, in seconds.
    """

    do: Literal["lookup"]
    client: Client = Client.CURL
    arguments: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9=-]+$")], ...] = ()
    name: Annotated[str, Field(pattern=r"^([a-z0-9-]+\.)+test$")] = "www.lab.test"
    bound_s: Annotated[int, Field(ge=6, le=120)] = 30


Step = Annotated[
    Resolver | Cache | Queue | Agent | Service | Firewall | Delay | Outside | TimedLookup, Field(discriminator="do")
]

Brings = Literal["agent", "service", "client"]
"""What is sent to a machine for a scenario: a product, another program, or only the client's packages."""


class Scenario(Model):
    """One scenario's TOML file; the file's name is the scenario's.

    Attributes:
        name: The scenario's name.
        title: One line about it.
        shows: An explanation of what it shows.
        arms: Whether it is meant to arm the race; then only armed trials count.
        may_stay_unarmed: Whether no armed trial at all is acceptable, because arming is left to chance.
        network: The client's place in the network.
        step: The steps in order; the last is the lookup.
        expected: The expected outcome per era; no expectation for an era that is missing.
        measured_on: Prefixes of the kernel releases on which `expected` was measured, if kernels of one era differ.
            There is no expectation for other releases, except for replicas. Empty if an era's kernels do not differ.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,60}$")]
    title: Annotated[str, Field(min_length=1)]
    shows: Annotated[str, Field(min_length=1)]
    arms: bool = False
    may_stay_unarmed: bool = False
    network: ClientNetwork = ClientNetwork()
    step: Annotated[tuple[Step, ...], Field(min_length=1)]
    expected: dict[Era, Expected]
    measured_on: tuple[Annotated[str, Field(min_length=1)], ...] = ()

    @model_validator(mode="after")
    def _require_one_verdict_program(self) -> Self:
        if sum(isinstance(step, Queue | Agent) for step in self.step if self.agent) > 1:
            raise ValueError(
                "'agent' brings its own verdict program: no other step 'agent' or 'queue' can be beside it"
            )
        return self

    @model_validator(mode="after")
    def _check_service(self) -> Self:
        if sum(isinstance(step, Brought) for step in self.step) > 1:
            raise ValueError("a scenario brings one program along: one step 'agent' or 'service'")
        if self.service is None:
            return self
        if self.service.address and any(isinstance(step, Cache) for step in self.step):
            raise ValueError("the client asks either the 'service' at its address or the 'cache'")
        if self.network.shape is not Shape.HOST:
            raise ValueError("a 'service' is in the lane, where a client behind the lane does not reach it")
        return self

    @model_validator(mode="after")
    def _check_places(self) -> Self:
        """Reject a queue that the client's packets do not pass."""
        caches = [step.address for step in self.step if isinstance(step, Cache)]
        if self.network.shape is not Shape.HOST and any(address.startswith("127.") for address in caches):
            raise ValueError("a client behind the lane does not reach a cache on the lane's loopback: give its address")
        if self.queue is None:
            return self
        behind = self.network.shape is not Shape.HOST
        if behind and self.queue.by == "nfqdns":
            raise ValueError('the hook module would queue in the client\'s namespace, too: use by = "iptables"')
        if behind and self.queue.place == "OUTPUT":
            raise ValueError(f"packets of a client behind the lane do not pass OUTPUT ({self.network.shape})")
        if not behind and self.queue.place in {"PREROUTING", "FORWARD"}:
            raise ValueError(f"the client's packets pass {self.queue.place} only if it is forwarded or bridged")
        return self

    def expects(self, era: Era | None, release: str, *, replica: bool) -> Expected | None:
        """Return the expected outcome on a kernel; None without an expectation.

        Args:
            era: The kernel's era; None when it is unknown.
            release: The kernel's release (`uname -r`).
            replica: Whether the kernel is rewound to this era.
        """
        if era is None or (self.measured_on and not replica and not release.startswith(self.measured_on)):
            return None
        return self.expected.get(era)

    @property
    def lookup(self) -> TimedLookup:
        """The timed lookup: the given one, or one with the defaults."""
        return next((step for step in self.step if isinstance(step, TimedLookup)), TimedLookup(do="lookup"))

    @property
    def retry_s(self) -> float:
        """The client's shortest retransmit timeout, in seconds: its own, or that of the options if it reads them."""
        if not self.lookup.client.is_glibc:
            return self.lookup.client.retry_s
        resolvers = [step for step in self.step if isinstance(step, Resolver)]
        options = [word for step in resolvers for word in step.options]
        given = [int(word.partition(":")[2]) for word in options if re.fullmatch(r"timeout:[1-9][0-9]?", word)]
        timeout_s = given[-1] if given else int(self.lookup.client.retry_s)
        servers = max((len(step.nameservers) for step in resolvers), default=0)
        if "rotate" not in options or servers <= 1:
            return float(timeout_s)
        # Any server may be asked first; that of another index has another timeout (send_dg in glibc's res_send.c).
        return float(min(timeout_s, *(max(1, (timeout_s << index) // servers) for index in range(1, servers))))

    @property
    def outside(self) -> Outside | None:
        """The real name and resolver; None when it stays in the test network."""
        return next((step for step in self.step if isinstance(step, Outside)), None)

    @property
    def target(self) -> str:
        """The queried name."""
        return self.outside.name if self.outside else self.lookup.name

    def aimed(self, outside: Outside) -> Scenario | None:
        """Return this scenario with a real name and resolver; None when it needs the test network."""
        bound = (
            any(isinstance(step, Cache | Service | Firewall) for step in self.step)
            or self.network.shape is not Shape.HOST
        )
        return None if bound else self.model_copy(update={"step": (outside, *self.step)})

    @property
    def agent(self) -> Agent | None:
        """The product that the scenario brings along; None without one."""
        return next((step for step in self.step if isinstance(step, Agent)), None)

    @property
    def service(self) -> Service | None:
        """The program that the scenario brings along and that gives no verdicts; None without one."""
        return next((step for step in self.step if isinstance(step, Service)), None)

    @property
    def brought(self) -> Agent | Service | None:
        """The program that the scenario brings along, whether it gives verdicts or not; None without one."""
        return self.agent or self.service

    @property
    def packages(self) -> tuple[str, ...]:
        """The Debian packages that it needs besides those of the guest image."""
        return (*(self.brought.packages if self.brought else ()), *self.lookup.client.packages)

    @property
    def brings(self) -> Brings | None:
        """What is sent to a machine for it; None for nothing."""
        if self.brought:
            return self.brought.do
        return "client" if self.packages else None

    @property
    def queue(self) -> Queue | None:
        """The step that queues DNS packets; None without one."""
        return next((step for step in self.step if isinstance(step, Queue)), None)

    @property
    def hook(self) -> Queue | None:
        """The queue step that uses the hook module; None without one."""
        return self.queue if self.queue and self.queue.by == "nfqdns" else None

    @property
    def queues_packets(self) -> bool:
        """Whether queries pass a queue: not over TCP, and not without a listener."""
        over_tcp = any("use-vc" in step.options for step in self.step if isinstance(step, Resolver))
        return self.has_queue and (self.queue is None or self.queue.listener) and not over_tcp

    @property
    def has_queue(self) -> bool:
        """Whether the verdict program of the lab, or a product, gets queries from a queue."""
        return self.queue is not None or self.agent is not None
