"""Runs trials in a machine; the guest gathers raw files, which are judged elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import singledispatch

from lab.catalogue.agent import Agent, Service
from lab.catalogue.queue import Queue, QueuedBy
from lab.catalogue.scenario import Cache, Delay, Firewall, Outside, Resolver, Scenario, TimedLookup
from lab.endpoint.ssh import Output, Shell
from lab.foundation.errors import LabError
from lab.provision.facts import REMOTE
from lab.runs import trial_stream
from lab.runs.trial_stream import Begun, Ended

SCRIPT = f"{REMOTE}/guest/scenario.sh"

LIMIT = "/run/lab/scenario/limit"
"""Read by provision/guest/trials.sh before each trial."""

TRIAL_SLACK_S = 30.0
"""Timeout in seconds without any trial's begin or end, added to the client's bound: then the machine has hung."""

BEGIN_BOUND_S = 240.0
"""Timeout for setting up network, verdict program, hook and tracers, or for removing them; each takes some seconds on
an idle machine, and as much longer as other guests keep the host busy."""

TRACER_BOUND_S = 300.0
"""Timeout for starting systemtap, which first compiles a kernel module."""

INSTALL_BOUND_S = 300.0
"""Timeout for unpacking packages: Node.js's have 90 MB, which takes a minute in an emulated guest at rest."""

END_BOUND_S = 10.0
"""Timeout for cleaning up after an error."""

STOP_BOUND_S = 40.0
"""Additional timeout for a program that is brought along, which may stop itself for 20 s (provision/guest/agent.sh)."""

LACKS = 4
"""Exit status of provision/guest/scenario.sh when the machine lacks what a scenario needs."""

QUESTION_AT = 20 + 8 + 12
"""Offset of the queried name in a packet, after the headers of IPv4, UDP and DNS (RFC 791, 768, 1035)."""


class UnsupportedScenario(Exception):
    """A machine cannot run a scenario; the message names what it lacks."""


def settings(scenario: Scenario, *, evidence: bool = False, stap: bool = False) -> list[str]:
    """Convert a scenario's steps to the settings of provision/guest/scenario.sh.

    Args:
        scenario: The scenario.
        evidence: Whether the trials are traced and captured.
        stap: Whether systemtap traces them.
    """
    values = {"client": scenario.lookup.client.value, "network": scenario.network.shape.value}
    if scenario.network.ipv6:
        values["ipv6"] = "yes"
    for step in scenario.step:
        values |= _settings(step, scenario)
    if scenario.brings:
        values["brings"] = scenario.brings
    if evidence:
        values["evidence"] = "yes"
    if stap:
        values["trace"] = "stap"
    return [f"{name}={value}" for name, value in values.items()]


@singledispatch
def _settings(step: object, _scenario: Scenario) -> dict[str, str]:
    raise TypeError(f"no guest settings for {type(step).__name__}")


@_settings.register
def _(step: Resolver, _scenario: Scenario) -> dict[str, str]:
    values = {
        "resolver": " ".join(step.options),
        "nameserver": " ".join(step.servers),
        "search": " ".join(step.search),
        "glibc": step.glibc,
    }
    return {name: value for name, value in values.items() if value}


@_settings.register
def _(step: Cache, _scenario: Scenario) -> dict[str, str]:
    return {"cache": step.address}


@_settings.register
def _(step: Queue, _scenario: Scenario) -> dict[str, str]:
    given: dict[str, str] = {"queue": step.by, "table": step.table, "chain": step.place}
    if step.bypass:
        given["bypass"] = "yes"
    if not step.listener:
        return given | {"listeners": "0"}
    if step.dies_after is not None:
        given["revive"] = "yes"
    return given | {"listeners": str(step.listeners), "listening": " ".join(_verdict_options(step))}


def _verdict_options(step: Queue) -> Iterator[str]:
    """Yield the options of the verdict program (`user.out --help`)."""
    yield f"--hold-packets {step.hold_packets} --hold-ms {round(step.hold_s * 1000)}"
    if step.work_s:
        yield f"--work-ms {round(step.work_s * 1000)}"
    if step.queue_packets is not None:
        yield f"--queue-packets {step.queue_packets}"
    if step.fail_open:
        yield "--fail-open"
    if step.dies_after is not None:
        yield f"--die-after {step.dies_after}"


@_settings.register
def _(_step: Agent, _scenario: Scenario) -> dict[str, str]:
    return {}


@_settings.register
def _(step: Service, _scenario: Scenario) -> dict[str, str]:
    return {"nameserver": step.address} if step.address else {}


@_settings.register
def _(step: Firewall, _scenario: Scenario) -> dict[str, str]:
    return {"firewall": step.rules}


@_settings.register
def _(step: Delay, scenario: Scenario) -> dict[str, str]:
    # On the wire each label is preceded by a length byte, and a zero byte ends the name (RFC 1035, 3.1).
    type_at = QUESTION_AT + len(scenario.target) + 2
    return {"delay_ms": str(round(step.by_s * 1000)), "delay_at": str(type_at)}


@_settings.register
def _(step: Outside, _scenario: Scenario) -> dict[str, str]:
    return {"outside": step.nameserver}


@_settings.register
def _(_step: TimedLookup, _scenario: Scenario) -> dict[str, str]:
    return {}


def adapt(scenario: Scenario, queued_by: QueuedBy) -> Scenario:
    """Adapt a scenario to a machine that queues by a rule instead of the hook module.

    Raises:
        LeftOut: a rule cannot replace the module in this scenario.
    """
    hook = scenario.hook
    if hook is None or queued_by == "nfqdns":
        return scenario
    if any(isinstance(step, Cache | Service) for step in scenario.step):
        raise UnsupportedScenario(
            "it needs the hook module, which sees the loopback; the module needs the kernel's headers"
        )
    if hook.fail_open:
        raise UnsupportedScenario("it needs the hook module, whose log shows the packets that pass a full queue")
    if scenario.network.ipv6:
        raise UnsupportedScenario("it needs the hook module, which sees IPv6; the module needs the kernel's headers")
    steps = tuple(step.model_copy(update={"by": queued_by}) if step is hook else step for step in scenario.step)
    return scenario.model_copy(update={"step": steps})


@contextmanager
def prepare(
    shell: Shell, scenario: Scenario, lanes: int, *, evidence: bool = False, stap: bool = False
) -> Iterator[None]:
    """Prepare lanes for a scenario's trials, and restore them at the end, also after errors.

    Args:
        shell: A connection to the machine.
        scenario: The scenario.
        lanes: Number of lanes.
        evidence: Whether the trials are traced and captured.
        stap: Whether systemtap traces each trial.

    Raises:
        LeftOut: the machine lacks what the scenario needs.
        BrokenEnvironment: the guest failed.
    """
    begin = [SCRIPT, "begin", str(lanes), *settings(scenario, evidence=evidence, stap=stap)]
    try:
        begun = shell.run(begin, bound_s=_begin_bound_s(scenario, stap=stap))
        _require(shell, begin, begun)
        yield
    except UnsupportedScenario:
        _end(shell)
        raise
    except BaseException:
        # The first error is more important than one of the clean-up; the next "begin" cleans up, too.
        with contextlib.suppress(LabError):
            shell.run([SCRIPT, "end"], bound_s=END_BOUND_S + (STOP_BOUND_S if scenario.brings else 0), tidying=True)
        raise
    _end(shell)


def _begin_bound_s(scenario: Scenario, *, stap: bool) -> float:
    """Return the timeout for preparing lanes: also for installing what is brought along, and for its start."""
    bound_s = TRACER_BOUND_S if stap else BEGIN_BOUND_S
    if scenario.brings:
        bound_s += INSTALL_BOUND_S
    return bound_s + scenario.brought.ready.timeout_s if scenario.brought else bound_s


def _end(shell: Shell) -> None:
    """Restore the lanes; a failure is a note, since the trials are complete and the next "begin" cleans up, too."""
    end = [SCRIPT, "end"]
    ended = shell.run(end, bound_s=BEGIN_BOUND_S)
    if ended.status != 0:
        failure = shell.failed(end, ended)
        shell.remark(f"the scenario could not be cleaned up, which the next one tries again: {failure.message}")
    # Remarks about a fallback used while restoring.
    for line in ended.stderr.splitlines():
        shell.remark(line)


def _require(shell: Shell, begin: list[str], begun: Output) -> None:
    if begun.status == LACKS:
        raise UnsupportedScenario(begun.stderr.strip())
    if begun.status != 0:
        raise shell.failed(begin, begun)


def trials(shell: Shell, scenario: Scenario, lanes: int, first: int, count: int) -> Iterator[Begun | Ended]:
    """Run trials, at most one per lane at a time, and yield the begin and the end of each.

    Args:
        shell: A connection to the machine, whose lanes are prepared.
        scenario: The scenario.
        lanes: Number of lanes.
        first: The first trial's number; the others follow.
        count: Number of trials.

    Raises:
        BrokenEnvironment: the guest died, hung, or could not run a trial.
    """
    lookup = scenario.lookup
    client = [lookup.client.value, scenario.target, str(lookup.bound_s), *lookup.arguments]
    command = [f"{REMOTE}/guest/trials.sh", str(lanes), str(first), str(count), *client]
    with shell.stream(command, silence_s=lookup.bound_s + TRIAL_SLACK_S) as archive:
        yield from trial_stream.read(archive)


def limit(shell: Shell, lanes: int) -> None:
    """Limit the number of lanes from now on, also for running trials.

    Raises:
        BrokenEnvironment: the command failed in the guest.
    """
    shell.ask(["sh", "-c", f"echo {lanes} >{LIMIT}"])
