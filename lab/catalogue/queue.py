"""The step that queues DNS packets: where in the kernel, and how its verdict programs behave."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lab.catalogue.document import Model

QueuedBy = Literal["nfqdns", "iptables", "nftables"]
"""What sends packets to NFQUEUE: the lab's hook module, or a rule."""

Chain = Literal["PREROUTING", "FORWARD", "OUTPUT", "POSTROUTING"]

CHAINS: dict[str, tuple[Chain, ...]] = {
    "mangle": ("POSTROUTING", "PREROUTING", "FORWARD", "OUTPUT"),
    "raw": ("OUTPUT", "PREROUTING"),
}
"""The chains of each table, as iptables has them; the first one is the default."""


class Queue(Model):
    """Send the DNS packets to NFQUEUE, where the verdict program accepts every one.

    Attributes:
        by: What queues them: the kernel module `nfqdns`, which queues every DNS packet and logs its conntrack, or a
            rule of iptables or nftables, which queues those that leave by the lane's interface, or pass the lane.
        table: The table of a rule: `mangle` is after conntrack, as the module; `raw` is before conntrack.
        chain: The chain of a rule; by default POSTROUTING, as the module, and OUTPUT of the table `raw`.
        bypass: Whether a rule lets packets pass while no program listens.
        listener: Whether the verdict program listens.
        listeners: Number of verdict programs; a rule spreads flows over their queues by their addresses.
        hold_packets: Packets are released when this many wait ...
        hold_s: ... or each of them this many seconds after its arrival, whichever is first.
        work_s: A slow program's work on each packet, in seconds; packets are worked on one after the other.
        queue_packets: Number of packets that fit into the kernel's queue; a full queue drops packets ...
        fail_open: ... or lets them pass.
        dies_after: The program dies at so many packets, without a verdict; it is started anew before each trial.
    """

    do: Literal["queue"]
    by: QueuedBy
    table: Literal["mangle", "raw"] = "mangle"
    chain: Chain | None = None
    bypass: bool = False
    listener: bool = True
    listeners: Annotated[int, Field(ge=1, le=8)] = 1
    hold_packets: Annotated[int, Field(ge=1, le=1024)] = 1
    hold_s: Annotated[float, Field(ge=0, le=5)] = 0.0
    work_s: Annotated[float, Field(ge=0, le=10)] = 0.0
    queue_packets: Annotated[int, Field(ge=1, le=65535)] | None = None
    fail_open: bool = False
    dies_after: Annotated[int, Field(ge=1, le=1024)] | None = None

    @property
    def place(self) -> Chain:
        """The chain of a rule: the given one, or the table's default."""
        return self.chain or CHAINS[self.table][0]

    @property
    def may_lose(self) -> bool:
        """Whether a packet can be queued that its program never has: the queue is too short, or the program dies."""
        return self.queue_packets is not None or self.dies_after is not None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.place not in CHAINS[self.table]:
            raise ValueError(f"the table {self.table} has no chain {self.place}: {', '.join(CHAINS[self.table])}")
        if self.by == "nfqdns" and (self.place != "POSTROUTING" or self.listeners > 1):
            raise ValueError("the hook module queues at POSTROUTING, in one queue: use a rule of iptables or nftables")
        return self
