"""Runs trials in a machine: the guest gathers, nothing is judged here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import singledispatch

from lab import raw_files
from lab.catalogue.scenario import Cache, Delay, Firewall, Lookup, Outside, Queue, QueuedBy, Resolver, Scenario
from lab.errors import LabError
from lab.provision.facts import REMOTE
from lab.raw_files import Begun, Ended
from lab.ssh import Output, Shell

SCRIPT = f"{REMOTE}/guest/scenario.sh"

LIMIT = "/run/lab/scenario/limit"
"""Read by provision/guest/trials.sh before each trial."""

TRIAL_SLACK_S = 30.0
"""For how long no trial may begin or end, beyond the client's own bound, before the machine counts as hung."""

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


def on(scenario: Scenario, queued_by: QueuedBy) -> Scenario:
    """Give a scenario as a machine can do it that has no hook module, and has a rule instead.

    Raises:
        LeftOut: the rule does not see what the module would.
    """
    hook = scenario.hook
    if hook is None or queued_by == "nfqdns":
        return scenario
    if any(isinstance(step, Cache) for step in scenario.step):
        raise LeftOut("it takes the hook module, which sees the loopback; the module needs the kernel's headers")
    steps = tuple(step.model_copy(update={"by": queued_by}) if step is hook else step for step in scenario.step)
    return scenario.model_copy(update={"step": steps})


@contextmanager
def prepared(
    shell: Shell, scenario: Scenario, lanes: int, *, evidence: bool = False, stap: bool = False
) -> Iterator[None]:
    """Prepare lanes for a scenario's trials, and put them back whatever happens.

    Args:
        shell: A connection to the machine.
        scenario: The scenario.
        lanes: How many lanes.
        evidence: Whether evidence is gathered beside its trials.
        stap: Whether systemtap traces each trial.

    Raises:
        LeftOut: the machine lacks what the scenario is about.
        BrokenEnvironment: the guest could not do it.
    """
    begin = [SCRIPT, "begin", str(lanes), *settings(scenario, evidence=evidence, stap=stap)]
    try:
        begun = shell.run(begin, bound_s=TRACER_BOUND_S if stap else BEGIN_BOUND_S)
        _require(shell, begin, begun)
        yield
    except BaseException:
        # The error under way matters more than one of tidying up; the next "begin" tidies up first.
        with contextlib.suppress(LabError):
            shell.run([SCRIPT, "end"], bound_s=END_BOUND_S, tidying=True)
        raise
    shell.ask([SCRIPT, "end"])


def _require(shell: Shell, begin: list[str], begun: Output) -> None:
    if begun.status == LACKS:
        raise LeftOut(begun.stderr.strip())
    if begun.status != 0:
        raise shell.failed(begin, begun)


def trials(shell: Shell, scenario: Scenario, lanes: int, first: int, count: int) -> Iterator[Begun | Ended]:
    """Make trials, as many at a time as there are lanes, and give each when it begins and when it has ended.

    Args:
        shell: A connection to the machine, whose lanes are prepared.
        scenario: The scenario.
        lanes: How many lanes.
        first: The first trial's number; the others follow.
        count: How many trials.

    Raises:
        BrokenEnvironment: the guest died, hung, or could not make a trial.
    """
    lookup = scenario.lookup
    client = [lookup.client.value, scenario.target, str(lookup.bound_s), *lookup.arguments]
    command = [f"{REMOTE}/guest/trials.sh", str(lanes), str(first), str(count), *client]
    with shell.stream(command, silence_s=lookup.bound_s + TRIAL_SLACK_S) as archive:
        yield from raw_files.read(archive)


def limit(shell: Shell, lanes: int) -> None:
    """Use no more than so many lanes from now on, also in the trials that are being made.

    Raises:
        BrokenEnvironment: the guest could not be told.
    """
    shell.ask(["sh", "-c", f"echo {lanes} >{LIMIT}"])
