"""Sentences about a kernel for a ticket: the result of a check, or of a classification."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from lab import __version__
from lab.catalogue.era import Era
from lab.commands.check_result import Checked
from lab.commands.classify import KernelClassified
from lab.judgement.outcome import Outcome, Verdict
from lab.present.sentences import called

_DOES = {
    Era.DROP: "drops the second query of a flow whose packets wait in NFQUEUE (era drop)",
    Era.RESOLVE: "lets the second query of a flow join the first one's conntrack when they clash (era resolve)",
    Era.RELOOKUP: "looks a queued flow up again (era relookup)",
}

_SHOWN = {Era.RESOLVE: "every clash resolved", Era.RELOOKUP: "no clash"}

_MEANS = {
    Era.DROP: "It is affected: of two DNS queries that clash behind NFQUEUE it drops one, in silence, and the lookup "
    "waits for the resolver's timeout (five seconds with glibc).",
    Era.RESOLVE: "It is not affected by the plain clash: the second query gets the first one's conntrack at confirm, "
    "and both are answered.",
    Era.RELOOKUP: "It is not affected by the plain clash: a packet that comes back from the queue is looked up again, "
    "and nothing clashes.",
}


def checked(data: Checked) -> str:
    """Return the result of a check as a sentence; it names the machine only if the user did."""
    look = data.look
    replica = ", a replica: the lab's ctrewind is loaded" if look.is_replica else ""
    where = f" on {look.hostname}" if data.named else ""
    day = data.run.started.partition("T")[0]
    measured = f"Measured by the five-second lab {__version__} on {day} in separate namespaces."
    return f"Kernel {look.kernel} ({look.architecture}{replica}){where} {_what(data)}. {measured}"


def _what(checked: Checked) -> str:
    found = checked.found
    if found.era is None:
        cost = f", {found.stalled} of them stalled" if found.stalled else ""
        return f"shows no era: {_armed(found.armed, len(found.trials))}{cost}; {found.reason}; {_behind_dnat(checked)}"
    cost = _stalls(found.stalled, checked.verdicts) if found.stalled else f"{_SHOWN[found.era]}, no stall"
    plain = f"{_armed(found.armed, len(found.trials))}, {cost}"
    return f"{_DOES[found.era]}: {plain}; {_behind_dnat(checked)}; {_conclusion(checked)}"


def _armed(armed: int, trials: int) -> str:
    return f"{armed} of {trials} trials armed"


def _stalls(stalled: int, verdicts: Iterable[Verdict]) -> str:
    took_s = statistics.median(verdict.lookup_s or 0.0 for verdict in verdicts if verdict.outcome is Outcome.STALLED)
    return f"{stalled} stalled ({took_s:.1f} s with musl's resolver, whose timeout is 2.5 s; glibc's is five)"


def _behind_dnat(checked: Checked) -> str:
    """Return the result of the clash whose conntracks differ in their NAT, which not every kernel resolves."""
    behind = checked.behind_dnat
    if behind is None:
        return f"behind DNAT to two servers it was not tried: {checked.why_not}"
    cost = f", {_stalls(behind.stalled, behind.verdicts) if behind.stalled else 'no stall'}" if behind.armed else ""
    return f"behind DNAT to two servers {_armed(behind.armed, behind.trials)}{cost}"


def _conclusion(checked: Checked) -> str:
    if checked.found.stalled:
        return "NFQUEUE before confirm stalls lookups here"
    free = "NFQUEUE before confirm does not cost five seconds here"
    behind = checked.behind_dnat
    if behind is None or not behind.armed:
        return f"{free} in a plain clash"
    return f"{free}, except behind DNAT to two servers" if behind.stalled else free


def classified(one: KernelClassified) -> str:
    """Return what was measured of a kernel as a sentence."""
    found, ran_on = one.found, one.ran_on
    if ran_on is None or found.era is None:
        kernel = f"kernel {ran_on.kernel}" if ran_on else "its kernel"
        return f"{one.name}: whether {kernel} is affected cannot be determined: {found.reason}."
    replica = ", on a replica," if ran_on.replica else ""
    name = one.name if ran_on.added else called(one.name, ran_on)
    queue = "the hook module" if ran_on.queued_by == "nfqdns" else f"a rule of {ran_on.queued_by}"
    return (
        f"{name}: kernel {ran_on.kernel}{replica} has era {found.era} ({found.sure}, packets queued by {queue}): "
        f"{found.reason}. {_MEANS[found.era]}"
    )
