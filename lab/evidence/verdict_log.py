"""Parser of the log of the verdict program user.out: the packets it released, and its errors."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from lab.evidence import flow, message
from lab.evidence.errors import UnreadableError
from lab.evidence.fields import ID_MAX, PORT_MAX, parse_integer, parse_seconds
from lab.evidence.flow import Flow


@dataclass(frozen=True)
class Released:
    """One packet released from the queue.

    Attributes:
        number: The kernel's packet id in the queue, counted from 1 per listener.
        flow: The 5-tuple; None when it is not UDP over IPv4.
        dns_id: The DNS id; None when it has none.
        qtype: The queried type, `A`, `AAAA` and so on; None when it could not be parsed.
        queued_s: When the program received it, CLOCK_MONOTONIC in seconds.
        released_s: When the program sent its verdict, CLOCK_MONOTONIC in seconds.
        verdict: `accept`, or `repeat`: the packet passes the hook again, and is then logged separately.
        ct_id: The conntrack's id, as shown by conntrack(8) with `-o id`; None when the kernel did not send it.
        confirmed: Whether the conntrack was already in the table; None when the kernel did not send it.
        conntracks: Number of conntracks in the namespace when the program received it, unconfirmed ones included;
            None when they were not counted.
        line: Line number in the log, from 1; ignored in comparisons.
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
        packets: The released packets in order.
        problems: One line per problem: verdicts that could not be sent, packets that the kernel dropped because the
            program was too slow, lines truncated by a full disk.
        unreleased: Number of packets that waited when the program died.
    """

    packets: tuple[Released, ...]
    problems: tuple[str, ...]
    unreleased: int = 0


def parse(text: str) -> VerdictLog:
    """Parse `verdict.jsonl` or `verdict.start`, one JSON object per line (`user.out --help`).

    Raises:
        UnreadableError: there is text, but no JSON object.
    """
    packets: list[Released] = []
    problems: list[str] = []
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    has_object = False
    unreleased = 0
    for number, line in lines:
        fields = _object(line)
        has_object = has_object or fields is not None
        try:
            if fields is None:
                problems.append(f"truncated line: {line[:80]!r}")
            elif fields["event"] == "packet":
                packets.append(_released(fields, number))
            elif fields["event"] == "died":
                unreleased += parse_integer(fields["waiting"], ID_MAX)
            else:
                problems += _problems(fields)
        except (ValueError, KeyError, TypeError):
            problems.append(f"cannot parse a line: {line[:80]!r}")
    if lines and not has_object:
        raise UnreadableError(f"cannot parse the verdict program's log: {lines[0][1][:80]!r}")
    return VerdictLog(tuple(packets), tuple(problems), unreleased)


def _object(line: str) -> dict[str, Any] | None:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _released(fields: dict[str, Any], line: int) -> Released:
    addresses = (fields["src"], fields["sport"], fields["dst"], fields["dport"])
    if not isinstance(fields["verdict"], str):
        raise TypeError(fields["verdict"])
    confirmed = fields.get("confirmed")
    if not isinstance(confirmed, bool | None):
        raise TypeError(confirmed)
    return Released(
        number=parse_integer(fields["id"], ID_MAX),
        flow=None if addresses == (None,) * 4 else flow.parse(*addresses),
        dns_id=None if fields["dns_id"] is None else parse_integer(fields["dns_id"], PORT_MAX),
        qtype=None if fields["type"] is None else message.normalize_type(fields["type"]),
        queued_s=parse_seconds(fields["queued_s"]),
        released_s=parse_seconds(fields["released_s"]),
        verdict=fields["verdict"],
        ct_id=None if fields.get("ct_id") is None else parse_integer(fields["ct_id"], ID_MAX),
        confirmed=confirmed,
        conntracks=None if fields.get("conntracks") is None else parse_integer(fields["conntracks"], ID_MAX),
        line=line,
    )


def _problems(fields: dict[str, Any]) -> list[str]:
    """Return the problems that a line reports; empty for lines without one."""
    if fields["event"] == "error":
        return [f"packet {parse_integer(fields['id'], ID_MAX)}: {fields['message']}"]
    overruns = parse_integer(fields.get("overruns", 0), ID_MAX)
    if fields["event"] == "end" and overruns:
        return [f"the program was too slow for the queue {overruns} times: the kernel dropped packets"]
    return []
