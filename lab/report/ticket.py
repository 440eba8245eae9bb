"""What a check found out, in one sentence that a person can paste into a ticket."""

from __future__ import annotations

import statistics

from lab import __version__
from lab.catalogue.era import Era
from lab.commands.check import Checked

_DOES = {
    Era.DROP: "drops the second query of a flow whose packets wait in NFQUEUE (era drop)",
    Era.RESOLVE: "lets the second query of a flow join the first one's conntrack when they clash (era resolve)",
    Era.RELOOKUP: "looks a queued flow up again (era relookup)",
}

_SHOWN = {Era.RESOLVE: "every clash resolved", Era.RELOOKUP: "no clash"}


def sentence(checked: Checked) -> str:
    """Say what a machine's kernel does; which machine that is, only when it was asked for."""
    look = checked.look
    replica = ", a replica: the lab's ctrewind is loaded" if look.is_replica else ""
    where = f" on {look.hostname}" if checked.named else ""
    day = checked.run.started.partition("T")[0]
    measured = f"Measured by the five-second lab {__version__} on {day} in namespaces of its own."
    return f"Kernel {look.kernel} ({look.architecture}{replica}){where} {_what(checked)}. {measured}"


def _what(checked: Checked) -> str:
    found = checked.found
    trials = f"{found.armed} of {len(found.trials)} trials armed"
    if found.era is None:
        cost = f", {found.stalled} of them stalled" if found.stalled else ""
        return f"shows no era: {trials}{cost}; {found.reason}"
    if found.stalled:
        took = f"{_took_s(checked):.1f} s with musl's resolver, whose timeout is 2.5 s; glibc's is five"
        cost = f"{found.stalled} stalled ({took}); NFQUEUE before confirm stalls lookups here"
        return f"{_DOES[found.era]}: {trials}, {cost}"
    return (
        f"{_DOES[found.era]}: {trials}, {_SHOWN[found.era]}, no stall; "
        "NFQUEUE before confirm does not cost five seconds here"
    )


def _took_s(checked: Checked) -> float:
    return statistics.median(verdict.lookup_s or 0.0 for verdict in checked.verdicts if verdict.armed)
