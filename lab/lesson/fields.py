"""Fields in the texts and commands of a step, such as `{trial}` for a trial of this lesson."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lab.evidence.trial import Evidence
from lab.judgement.lifeline import Lifeline

OF_TRIAL = {
    "trial": "the newest trial with evidence of the step's machine and scenario, as `lab show` takes it",
    "thread": "the id of the thread that looks the name up, by strace",
    "port": "the port that both queries come from",
    "a_id": "the DNS id of the A query",
    "aaaa_id": "the DNS id of the AAAA query",
    "aaaa_id_hex": "the same in hexadecimal",
    "aaaa_id_in_trace": "the same as the kernel's trace shows it, with its two bytes swapped",
    "lookup_s": "how long the lookup took, in seconds",
}
NAMES = {"run": "the lesson's run", **OF_TRIAL}
"""Each field, and its value in words."""

UNKNOWN = "?"
"""The value of a field that the trial's evidence does not show."""

_FIELD = re.compile(r"\{([a-z_]+)\}")


def unknown(text: str) -> list[str]:
    """Return the names in braces that are no fields."""
    return [name for name in _FIELD.findall(text) if name not in NAMES]


def of_trial(text: str) -> bool:
    """Return whether a text has a field that is about a trial."""
    return any(name in OF_TRIAL for name in _FIELD.findall(text))


def without(text: str) -> str:
    """Return a text with a placeholder for each field that is valid anywhere in a regular expression."""
    return _FIELD.sub("0", text)


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text with its fields filled in."""
    return _FIELD.sub(lambda match: values.get(match[1], UNKNOWN), text)


def values(name: str, evidence: Evidence, lifelines: Sequence[Lifeline]) -> dict[str, str]:
    """Return the fields of a trial.

    Args:
        name: The trial's name, as `lab show` takes it.
        evidence: Its evidence.
        lifelines: The lifelines of its queries.
    """
    ids = {line.qtype: line.dns_id for line in lifelines}
    sent = [event for event in evidence.resolver.value or () if event.kind == "sent"]
    port = next((line.sport for line in lifelines if line.sport is not None), None)
    aaaa = ids.get("AAAA")
    timing = evidence.timing.value
    known: dict[str, object] = {
        "trial": name,
        "thread": sent[0].pid if sent else None,
        "port": port,
        "a_id": ids.get("A"),
        "aaaa_id": aaaa,
        "aaaa_id_hex": None if aaaa is None else f"0x{aaaa:04x}",
        "aaaa_id_in_trace": None if aaaa is None else _swapped(aaaa),
        "lookup_s": f"{timing.lookup_s:.2f}" if timing else None,
    }
    return {key: UNKNOWN if value is None else str(value) for key, value in known.items()}


def _swapped(dns_id: int) -> int:
    """The trace reads the header's two bytes as a little-endian machine does."""
    return (dns_id & 0xFF) << 8 | dns_id >> 8
