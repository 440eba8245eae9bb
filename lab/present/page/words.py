"""Translatable texts for the words that the JSON uses."""

from __future__ import annotations

from lab.foundation.language import N_

OUTCOMES = {
    "healthy": N_("healthy"),
    "stalled": N_("stalled"),
    "mixed": N_("mixed"),
    "unarmed": N_("not armed"),
    "not started": N_("not started"),
    "not_started": N_("not started"),
    "failed": N_("failed"),
    "inconclusive": N_("inconclusive"),
    "contradictory": N_("contradictory"),
}

HELP = {
    "helps": N_("helps"),
    "helps partly": N_("helps partly"),
    "does not help": N_("does not help"),
    "breaks it": N_("breaks it"),
    "not needed": N_("not needed"),
    "not by this client": N_("not by this client"),
    "does not apply": N_("does not apply"),
    "unknown": N_("unknown"),
}
"""What a workaround does."""

ANSWERS = {
    "this bug": N_("this bug"),
    "another cause": N_("another cause"),
    "cannot tell": N_("cannot tell"),
    "not this bug": N_("not this bug"),
}
"""What `lab diagnose` says of a stall."""

STAGES = {
    "sent by the resolver": N_("sent by the resolver"),
    "arrived at the gateway": N_("arrived at the gateway"),
    "queued at the hook": N_("queued at the hook"),
    "verdict given": N_("verdict given"),
    "confirm returned": N_("confirm returned"),
    "on the wire": N_("on the wire"),
    "seen by the server": N_("seen by the server"),
    "answer on the wire": N_("answer on the wire"),
    "read by the resolver": N_("read by the resolver"),
}

SYSTEMS = {
    "centos": N_(" (CentOS)"),
    "kernel": N_(" (kernel)"),
    "replica": N_(" (replica)"),
    "added": N_(" (added kernel)"),
}
"""The label after a machine's name, with a leading space, which Chinese does not use."""

ALL = {**OUTCOMES, **HELP, **ANSWERS, **STAGES}
