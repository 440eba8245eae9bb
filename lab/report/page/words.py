"""What the JSON says in its own few words, said to a reader."""

from __future__ import annotations


def N_(text: str) -> str:  # noqa: N802  gettext's own name for what is translated later
    """Mark a text for the translators."""
    return text


OUTCOMES = {
    "healthy": N_("healthy"),
    "stalled": N_("stalled"),
    "mixed": N_("mixed"),
    "unarmed": N_("not armed"),
    "failed": N_("failed"),
    "inconclusive": N_("inconclusive"),
    "contradictory": N_("contradictory"),
}

STAGES = {
    "sent by the resolver": N_("sent by the resolver"),
    "queued at the hook": N_("queued at the hook"),
    "verdict given": N_("verdict given"),
    "confirm returned": N_("confirm returned"),
    "on the wire": N_("on the wire"),
    "seen by the server": N_("seen by the server"),
    "answer on the wire": N_("answer on the wire"),
    "read by the resolver": N_("read by the resolver"),
}

ALL = {**OUTCOMES, **STAGES}
