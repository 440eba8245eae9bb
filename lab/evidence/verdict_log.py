"""What the verdict program user.out logged: every packet it let go, and what went wrong meanwhile."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from lab.evidence import flow, message
from lab.evidence.errors import UnreadableError
from lab.evidence.fields import ID_MAX, PORT_MAX, seconds, whole
from lab.evidence.flow import Flow


@dataclass(frozen=True)
class Released:
    """One packet that came out of the queue.

    Attributes:
        number: The kernel's number of the packet in its queue, counted from 1 for each listener.
        flow: Its 5-tuple; None when it is no UDP over IPv4.
        dns_id: Its DNS id; None when it has none.
        qtype: The type it asks for, `A`, `AAAA` and so on; None when it could not be read.
        queued_s: When the program got it, by CLOCK_MONOTONIC in seconds.
        released_s: When the program sent its verdict, likewise.
        verdict: The verdict: `accept`, or `repeat`: it goes through the hook once more, and is logged apart then.
        ct_id: The id of its conntrack, as conntrack(8) shows it with `-o id`; None when the kernel did not say.
        confirmed: Whether that was in conntrack's table already; None likewise.
        conntracks: How many conntracks its namespace had when the program got it, unconfirmed ones too; None when
            nobody counted.
        line: Which line of the log tells it, from 1; the same packet is the same on whatever line.
    """

    number: int
    flow: Flow | None
    dns_id: int | None
    qtype: str | None
    queued_s: float
    released_s: float
    verdict: str
    ct_id: int | None
    confirmed: bool | None
    conntracks: int | None = None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class VerdictLog:
    """The log of one trial.

    Attributes:
        packets: What was let go, in order.
        problems: What went wrong, a line each: verdicts that were not sent, packets that the kernel dropped because
            the program was too slow, lines that a full disk cut off.
    """

    packets: tuple[Released, ...]
    problems: tuple[str, ...]


def parse(text: str) -> VerdictLog:
    """Read `verdict.jsonl` or `verdict.start`, one JSON object a line (`user.out --help`).

    Raises:
        UnreadableError: there is text, but not one JSON object.
    """
    packets: list[Released] = []
    problems: list[str] = []
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    any_object = False
    for number, line in lines:
        said = _object(line)
        any_object = any_object or said is not None
        try:
            if said is None:
                problems.append(f"a line was cut off: {line[:80]!r}")
            elif said["event"] == "packet":
                packets.append(_released(said, number))
            else:
                problems += _problems(said)
        except (ValueError, KeyError, TypeError):
            problems.append(f"a line is not understood: {line[:80]!r}")
    if lines and not any_object:
        raise UnreadableError(f"the verdict program's log is not understood: {lines[0][1][:80]!r}")
    return VerdictLog(tuple(packets), tuple(problems))


def _object(line: str) -> dict[str, Any] | None:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _released(said: dict[str, Any], line: int) -> Released:
    addresses = (said["src"], said["sport"], said["dst"], said["dport"])
    if not isinstance(said["verdict"], str):
        raise TypeError(said["verdict"])
    confirmed = said.get("confirmed")
    if not isinstance(confirmed, bool | None):
        raise TypeError(confirmed)
    return Released(
        number=whole(said["id"], ID_MAX),
        flow=None if addresses == (None,) * 4 else flow.read(*addresses),
        dns_id=None if said["dns_id"] is None else whole(said["dns_id"], PORT_MAX),
        qtype=None if said["type"] is None else message.type_named(said["type"]),
        queued_s=seconds(said["queued_s"]),
        released_s=seconds(said["released_s"]),
        verdict=said["verdict"],
        ct_id=None if said.get("ct_id") is None else whole(said["ct_id"], ID_MAX),
        confirmed=confirmed,
        conntracks=None if said.get("conntracks") is None else whole(said["conntracks"], ID_MAX),
        line=line,
    )


def _problems(said: dict[str, Any]) -> list[str]:
    """Say what a line that is about no packet complains of, if anything."""
    if said["event"] == "error":
        return [f"packet {whole(said['id'], ID_MAX)}: {said['message']}"]
    overruns = whole(said.get("overruns", 0), ID_MAX)
    if said["event"] == "end" and overruns:
        return [f"the program was too slow for the queue {overruns} times: the kernel dropped packets"]
    return []
