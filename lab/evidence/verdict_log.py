"""What the verdict program logged: each packet it was handed, and when it let it go."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from lab.evidence.errors import UnreadableError
from lab.evidence.flow import Flow


@dataclass(frozen=True)
class Released:
    """A packet that was handed to the verdict program and let go.

    Attributes:
        number: What the queue knows it by.
        flow: Its addresses and ports; None when it is no UDP packet.
        dns_id: Its DNS id; None when it has none.
        qtype: The type asked for; None when it cannot be told.
        queued_s: When the program got it, by CLOCK_MONOTONIC, in seconds.
        released_s: When it gave its verdict, likewise.
        ct_id: What the kernel tells the packet's conntrack from others by; None where it does not say.
        confirmed: Whether that conntrack was confirmed by then; None likewise.
    """

    number: int
    flow: Flow | None
    dns_id: int | None
    qtype: str | None
    queued_s: float
    released_s: float
    ct_id: int | None
    confirmed: bool | None


@dataclass(frozen=True)
class VerdictLog:
    """The log of one trial.

    Attributes:
        packets: In the order in which they were let go.
        problems: What did not go well, a line each.
    """

    packets: tuple[Released, ...]
    problems: tuple[str, ...]


def parse(text: str) -> VerdictLog:
    """Read `verdict.jsonl` (its format: provision/verdict/user.c).

    Raises:
        UnreadableError: a line is not what the verdict program writes, other than one that a full disk cut off.
    """
    packets: list[Released] = []
    problems: list[str] = []
    for line in text.splitlines():
        try:
            said = json.loads(line)
        except (ValueError, RecursionError) as error:
            if not line.startswith('{"event":'):
                raise UnreadableError(f"the verdict program's line is not understood: {line[:80]!r}") from error
            problems.append(f"a line of the verdict program is cut off: {line[:80]!r}")
            continue
        try:
            _take(said, packets, problems)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise UnreadableError(f"the verdict program's line is not understood: {line[:80]!r}") from error
    return VerdictLog(tuple(packets), tuple(problems))


def _take(said: Any, packets: list[Released], problems: list[str]) -> None:  # noqa: ANN401  as json.loads gives it
    kind = said["event"]
    if kind == "packet":
        packets.append(_packet(said))
    elif kind == "error":
        problems.append(f"packet {int(said['id'])}: {said['message']}")
    elif kind == "end" and int(said["overruns"]):
        problems.append(f"{int(said['overruns'])} times the kernel had more packets than the queue's socket holds")
    elif kind not in {"start", "end"}:
        raise ValueError(kind)


def _packet(said: dict[str, Any]) -> Released:
    if said["verdict"] != "accept":
        raise ValueError(said["verdict"])
    flow = None
    if said["src"] is not None:
        flow = Flow(_text(said["src"]), _bits(said["sport"], 16), _text(said["dst"]), _bits(said["dport"], 16))
    ct_id, confirmed = said.get("ct_id"), said.get("confirmed")
    if confirmed is not None and not isinstance(confirmed, bool):
        raise TypeError(confirmed)
    return Released(
        number=_bits(said["id"], 32),
        flow=flow,
        dns_id=None if said["dns_id"] is None else _bits(said["dns_id"], 16),
        qtype=None if said["type"] is None else _text(said["type"]),
        queued_s=_seconds(said["queued_s"]),
        released_s=_seconds(said["released_s"]),
        ct_id=None if ct_id is None else _bits(ct_id, 32),
        confirmed=confirmed,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _bits(value: object, bits: int) -> int:
    if type(value) is not int or not 0 <= value < 1 << bits:
        raise ValueError(value)
    return value


def _seconds(value: object) -> float:
    if type(value) is not float or not 0 <= value < 1e9:  # noqa: PLR2004  a machine's uptime
        raise ValueError(value)
    return value
