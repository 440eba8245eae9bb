"""Runs trials in a machine: the guest gathers, nothing is judged here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import singledispatch

from lab.catalogue.scenario import Cache, Delay, Firewall, Lookup, Outside, Queue, Resolver, Scenario
from lab.errors import BrokenEnvironment, LabError
from lab.provision.facts import REMOTE
from lab.ssh import Output, Shell

LANE = "lab-lane0"

TRIAL_SLACK_S = 30.0
"""What a trial may take beyond its client's own bound, on a machine under load, before it counts as hung."""

BEGIN_BOUND_S = 60.0
"""For the verdict program, the hook and the gatherers: some seconds on an idle machine."""

TRACER_BOUND_S = 300.0
"""For systemtap, which compiles a kernel module first."""

END_BOUND_S = 10.0
"""For tidying up a machine in which something went wrong already."""

LACKS = 4
"""The exit status with which provision/guest/scenario.sh says that the machine lacks what a scenario is about."""

QUESTION_AT = 20 + 8 + 12
"""Where in a packet the name asked for begins: behind the headers of IPv4, UDP and DNS (RFC 791, 768, 1035)."""


class LeftOut(Exception):
    """A scenario that a machine cannot do, with what it lacks."""


def settings(scenario: Scenario, *, evidence: bool = False, stap: bool = False) -> list[str]:
    """Give a scenario's steps as the settings of provision/guest/scenario.sh.

    Args:
        scenario: The scenario.
        evidence: Whether evidence is gathered beside its trials.
        stap: Whether systemtap traces them.
    """
    given = {"client": scenario.lookup.client.value}
    for step in scenario.step:
        given |= _settings(step, scenario)
    if evidence:
        given["evidence"] = "yes"
    if stap:
        given["trace"] = "stap"
    return [f"{name}={value}" for name, value in given.items()]


@singledispatch
def _settings(step: object, _scenario: Scenario) -> dict[str, str]:
    raise TypeError(f"nothing says how {type(step).__name__} is done in a guest")


@_settings.register
def _(step: Resolver, _scenario: Scenario) -> dict[str, str]:
    given = {"resolver": " ".join(step.options), "nameserver": step.nameserver, "glibc": step.glibc}
    return {name: value for name, value in given.items() if value}


@_settings.register
def _(_step: Cache, _scenario: Scenario) -> dict[str, str]:
    return {"cache": "yes"}


@_settings.register
def _(step: Queue, _scenario: Scenario) -> dict[str, str]:
    given: dict[str, str] = {"queue": step.by, "table": step.table}
    if step.bypass:
        given["bypass"] = "yes"
    if not step.listener:
        return given | {"listener": "no"}
    return given | {"hold_packets": str(step.hold_packets), "hold_ms": str(round(step.hold_s * 1000))}


@_settings.register
def _(step: Firewall, _scenario: Scenario) -> dict[str, str]:
    return {"firewall": step.rules}


@_settings.register
def _(step: Delay, scenario: Scenario) -> dict[str, str]:
    # A name on the wire has a byte of length before each label, and one that ends it (RFC 1035, 3.1).
    type_at = QUESTION_AT + len(scenario.target) + 2
    return {"delay_ms": str(round(step.by_s * 1000)), "delay_at": str(type_at)}


@_settings.register
def _(step: Outside, _scenario: Scenario) -> dict[str, str]:
    return {"outside": step.nameserver}


@_settings.register
def _(_step: Lookup, _scenario: Scenario) -> dict[str, str]:
    return {}


@contextmanager
def prepared(shell: Shell, scenario: Scenario, *, evidence: bool = False, stap: bool = False) -> Iterator[None]:
    """Prepare the lane for a scenario's trials, and put it back whatever happens.

    Args:
        shell: A connection to the machine.
        scenario: The scenario.
        evidence: Whether evidence is gathered beside its trials.
        stap: Whether systemtap traces each trial.

    Raises:
        LeftOut: the machine lacks what the scenario is about.
        BrokenEnvironment: the guest could not do it.
    """
    script = f"{REMOTE}/guest/scenario.sh"
    begin = [script, "begin", LANE, *settings(scenario, evidence=evidence, stap=stap)]
    try:
        begun = shell.run(begin, bound_s=TRACER_BOUND_S if stap else BEGIN_BOUND_S)
        _require(shell, begin, begun)
        yield
    except BaseException:
        # The error under way matters more than one of tidying up; the next "begin" tidies up first.
        with contextlib.suppress(LabError):
            shell.run([script, "end", LANE], bound_s=END_BOUND_S, tidying=True)
        raise
    shell.ask([script, "end", LANE])


def _require(shell: Shell, begin: list[str], begun: Output) -> None:
    if begun.status == LACKS:
        raise LeftOut(begun.stderr.strip())
    if begun.status != 0:
        raise shell.failed(begin, begun)


def trial(shell: Shell, scenario: Scenario) -> bytes:
    """Make one trial and give its raw files, as a tar archive.

    Raises:
        BrokenEnvironment: the guest died, hung, or could not make the trial.
    """
    lookup = scenario.lookup
    client = [lookup.client.value, scenario.target, str(lookup.bound_s), *lookup.arguments]
    command = ["ip", "netns", "exec", LANE, f"{REMOTE}/guest/trial.sh", LANE, *client]
    output = shell.run(command, bound_s=lookup.bound_s + TRIAL_SLACK_S)
    if output.status != 0:
        said = output.stderr.strip().splitlines()[-1:] or ["nothing"]
        raise BrokenEnvironment(f"a trial of {scenario.name} could not be made; the guest said: {said[0]}")
    return output.stdout
