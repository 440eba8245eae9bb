"""Pairs readings of conntrack's counters by network namespace and computes how much each counter rose."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.diagnosis.material import Citation, Reading
from lab.evidence import counters
from lab.evidence.errors import UnreadableError

_BEFORE = re.compile(r"before|(?<![a-z])(?:pre|vorher|avant|antes)(?![a-z])|(?:之)?前")
_AFTER = re.compile(r"after|(?<![a-z])(?:post|nachher|apres|despues)(?![a-z])|(?:之)?[后後]")
"""Words in file names that mark the earlier and the later reading."""

_RISE_MAX = 100
"""During a stalled lookup no counter rises by more than this and more than double; else the namespaces differ."""


@dataclass(frozen=True)
class Counted:
    """Increases of counters between two readings.

    Attributes:
        rises: Increase of each counter that both readings contain.
        place: The later reading.
        nothing: Whether every counter is 0 in both readings.
        swapped: Whether the readings were swapped to make counters rise.
        never_failed: Whether `insert_failed` is still 0 in the later reading and other counters are not.
    """

    rises: dict[str, int]
    place: Citation
    nothing: bool
    swapped: bool
    never_failed: bool = False


@dataclass(frozen=True)
class Compared:
    """All readings, compared.

    Attributes:
        counted: Increases for each pair of readings of one namespace.
        alone: Readings without a second one.
        problems: What could not be compared, one sentence each.
    """

    counted: tuple[Counted, ...]
    alone: tuple[Reading, ...]
    problems: tuple[str, ...]


def compare(readings: Sequence[Reading]) -> Compared:
    """Pair readings of one format by their names, else in the given order, and compare each pair."""
    counted: list[Counted] = []
    alone: list[Reading] = []
    problems: list[str] = []
    for kind in dict.fromkeys((each.form, each.where) for each in readings):
        pairs, rest = _pairs([each for each in readings if (each.form, each.where) == kind])
        alone += rest
        if len(rest) > 1:
            problems.append(
                f"{rest[0].name} and {rest[-1].name} are treated as readings of two network namespaces because they "
                "differ by too much; name two of one namespace *.before and *.after"
            )
        for before, after in pairs:
            try:
                counted.append(_rises(before, after))
            except UnreadableError as error:
                problems.append(f"{before.name} and {after.name}: {error}")
    return Compared(tuple(counted), tuple(alone), tuple(problems))


def never_failed(reading: Reading) -> bool:
    """Return whether confirm has dropped nothing in a namespace whose other counters have counted."""
    counts = [count for name, count in reading.counts.items() if name != counters.ENTRIES]
    return reading.counts.get("insert_failed") == 0 and any(counts)


def is_early(reading: Reading) -> bool:
    """Return whether a reading was made before a stall, judged by its name."""
    name = _name(reading)
    return bool(_BEFORE.search(name)) and not _AFTER.search(name)


def _is_late(reading: Reading) -> bool:
    name = _name(reading)
    return bool(_AFTER.search(name)) and not _BEFORE.search(name)


def _name(reading: Reading) -> str:
    return reading.name.rpartition("/")[2].lower()


def _pairs(unpaired: list[Reading]) -> tuple[list[tuple[Reading, Reading]], list[Reading]]:
    """Return pairs of one namespace each, judged by names and counts, and the readings left over."""
    stems: dict[str, list[Reading]] = defaultdict(list)
    for each in unpaired:
        if is_early(each) or _is_late(each):
            stems[_AFTER.sub("", _BEFORE.sub("", each.name.lower()))].append(each)
    pairs = [pair for named in stems.values() for pair in _early_and_late(named)]
    used = [each for pair in pairs for each in pair]
    named = [each for each in unpaired if (is_early(each) or _is_late(each)) and not _among(each, used)]
    pairs += _early_and_late(named)
    used = [each for pair in pairs for each in pair]
    rest = [each for each in unpaired if not _among(each, used)]
    if len(rest) > 1 and _is_plausible(rest[0], rest[-1]):
        return [*pairs, (rest[0], rest[-1])], []
    return pairs, rest


def _early_and_late(named: Sequence[Reading]) -> Iterable[tuple[Reading, Reading]]:
    """Yield the first early and the last late reading, if there are both."""
    early, late = [each for each in named if is_early(each)], [each for each in named if _is_late(each)]
    if early and late:
        yield early[0], late[-1]


def _among(reading: Reading, others: Iterable[Reading]) -> bool:
    return any(reading is other for other in others)


def _is_plausible(one: Reading, other: Reading) -> bool:
    """Return whether two readings with uninformative names may be of one namespace, taken shortly one after the other.

    A container's counters are 0 or small compared with its node's; as two readings of one namespace they would appear
    to rise.
    """
    if one.name == other.name or _fell(one, other):
        return True
    shared = one.counts.keys() & other.counts.keys() - {counters.ENTRIES}
    return all(
        abs(one.counts[name] - other.counts[name]) <= max(_RISE_MAX, min(one.counts[name], other.counts[name]))
        for name in shared
    ) and _failed_alike(one, other)


def _fell(one: Reading, other: Reading) -> bool:
    """Return whether some counters rose and others fell, which is reported: no order of the two fits one namespace."""
    shared = one.counts.keys() & other.counts.keys() - {counters.ENTRIES}
    signs = {one.counts[name] < other.counts[name] for name in shared if one.counts[name] != other.counts[name]}
    return signs == {False, True}


def _failed_alike(one: Reading, other: Reading) -> bool:
    """Return whether `insert_failed` may have risen between two readings: from 0 by one stall's loss at most."""
    fewer, more = sorted(each.counts.get("insert_failed", 0) for each in (one, other))
    return fewer > 0 or more <= 1


def _rises(before: Reading, after: Reading) -> Counted:
    try:
        rises, swapped = counters.compute_rises(dict(before.counts), dict(after.counts)), False
    except UnreadableError:
        # Counters never fall: if both are of one namespace, the order was reversed.
        rises, swapped = counters.compute_rises(dict(after.counts), dict(before.counts)), True
        before, after = after, before
    nothing = not any(count for reading in (before, after) for count in reading.counts.values())
    rose = ", ".join(f"{name} +{rise}" for name, rise in rises.items() if rise) or "no counter rose"
    place = Citation(after.name, after.line, None, f"since {before.name}: {rose}")
    return Counted(rises, place, nothing, swapped, never_failed(after))
