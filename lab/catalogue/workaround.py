"""Workarounds, one TOML file each, and how a scenario is changed by one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from lab.catalogue.agent import Agent
from lab.catalogue.document import Model, read
from lab.catalogue.queue import Queue
from lab.catalogue.scenario import Cache, Firewall, Resolver, Scenario, Shape, Step
from lab.foundation import near
from lab.foundation.errors import BadInput
from lab.foundation.language import N_

DIRECTORY = "workarounds"
"""Beside the scenarios."""

NAME_MAX = 61
"""Length of a scenario's name; what is longer is cut."""

WITHOUT_QUEUE = "without-queue"
"""The suffix of the scenario whose lookups are what the others are compared with."""

UNHELD = "unheld"
"""The suffix of a variant whose verdicts are not held, for its times."""

NODE_LOCAL = "169.254.20.10"
"""The address of a cache for clients behind the lane, as NodeLocal DNSCache has it."""

_SOURCE_NAT = re.compile(r"(-j (?:MASQUERADE|SNAT)\b(?:(?!--random-fully).)*)$", re.MULTILINE)


class KnownWorkaround(Model):
    """A workaround; each field but the texts is a change of a scenario.

    Attributes:
        name: Its name.
        title: What is done, in one line.
        costs: What it costs besides time, in one line.
        options: Words of the `options` line of resolv.conf(5).
        glibc: The oldest glibc that supports the options.
        table: Where packets are queued by a rule.
        unattended: Whether no program gives verdicts, and packets pass a rule that would queue them.
        rules: Input of iptables-restore(8).
        cache: Whether a caching resolver is put between the client and the server.
        random_fully: Whether rules of source NAT choose ports at random.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,29}$")]
    title: Annotated[str, Field(min_length=1)]
    costs: Annotated[str, Field(min_length=1)]
    options: tuple[Annotated[str, Field(pattern=r"^[a-z0-9:-]+$")], ...] = ()
    glibc: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+$")] | None = None
    table: Literal["raw"] | None = None
    unattended: bool = False
    rules: Annotated[str, Field(min_length=1)] | None = None
    cache: bool = False
    random_fully: bool = False


@dataclass(frozen=True)
class Unfit:
    """Why a workaround cannot be applied to a scenario.

    Attributes:
        reason: In one line.
        by_client: Whether the client is the reason: then no other host would make it fit.
    """

    reason: str
    by_client: bool = False


def workarounds(directory: Path, names: tuple[str, ...] = ()) -> list[KnownWorkaround]:
    """Return the named workarounds; all for none.

    Args:
        directory: The directory of the scenarios.
        names: Their names.

    Raises:
        BadInput: a name is unknown, or a file is invalid.
    """
    files = {path.stem: path for path in sorted((directory / DIRECTORY).glob("*.toml"))}
    for name in names:
        if name not in files:
            raise BadInput(
                f"no workaround is called '{name}'; there are: {', '.join(files)}", hint=near.hint(name, list(files))
            )
    return [read(files[name], KnownWorkaround, name=name) for name in names or files]


def apply(workaround: KnownWorkaround, scenario: Scenario) -> Scenario | Unfit:
    """Return a scenario with a workaround, of which nothing is expected; or why it cannot have it."""
    unfit = _check(workaround, scenario)
    if unfit:
        return unfit
    is_behind = scenario.network.shape is not Shape.HOST
    steps = [_changed(workaround, step, is_behind=is_behind) for step in scenario.step]
    if workaround.options:
        steps = _with_options(workaround, steps)
    if workaround.cache:
        steps = [Cache(do="cache", address=NODE_LOCAL) if is_behind else Cache(do="cache"), *steps]
    if workaround.rules:
        steps = _with_rules(workaround.rules, steps)
    return _variant(scenario, _suffix(workaround.name), steps)


def without_queue(scenario: Scenario) -> Scenario:
    """Return a scenario without its queue, to compare times with."""
    return _variant(scenario, WITHOUT_QUEUE, [step for step in scenario.step if not isinstance(step, Queue | Agent)])


def unheld(scenario: Scenario) -> Scenario | None:
    """Return a scenario whose verdicts are not held, for its times; None if none are held in it."""
    queue = scenario.queue
    if queue is None or not queue.listener or not queue.hold_s:
        return None
    release = {"hold_packets": 1, "hold_s": 0.0}
    return _variant(
        scenario, UNHELD, [step.model_copy(update=release) if step is queue else step for step in scenario.step]
    )


def name_with(scenario: str, workaround: str) -> str:
    """Return the name of a scenario with a workaround, by their names."""
    return variant_name(scenario, _suffix(workaround))


def _suffix(workaround: str) -> str:
    # No scenario of the lab is called so: those with workarounds are kept apart from the trials of any other.
    return f"with-{workaround}"


def variant_name(scenario: str, suffix: str) -> str:
    """Return the name of a scenario's variant, of at most the length of a name."""
    return f"{scenario[: NAME_MAX - len(suffix) - 1].rstrip('-')}-{suffix}"


def _check(workaround: KnownWorkaround, scenario: Scenario) -> Unfit | None:
    client = scenario.lookup.client
    if workaround.options and not client.is_glibc:
        return Unfit(N_(f"{client.value} does not use glibc's resolver, which has the option"), by_client=True)
    if workaround.table or workaround.unattended:
        return _check_rule(scenario)
    if workaround.random_fully and not any(_SOURCE_NAT.search(step.rules) for step in _firewalls(scenario)):
        return Unfit(N_("it has no rule of source NAT"))
    return _check_cache(scenario) if workaround.cache else None


def _check_cache(scenario: Scenario) -> Unfit | None:
    """Return why no cache can be put between the client and the server; None when one can."""
    if scenario.outside:
        return Unfit(N_("its resolver is outside of the test network"))
    if any(isinstance(step, Cache) for step in scenario.step):
        return Unfit(N_("it has a cache already"))
    if scenario.service and scenario.service.address:
        return Unfit(N_("its client asks a forwarder already"))
    return None


def _check_rule(scenario: Scenario) -> Unfit | None:
    """Return why no rule can queue in place of what queues; None when one can."""
    if scenario.queue is None:
        return Unfit(N_("the product chooses where it queues") if scenario.agent else N_("nothing is queued by a rule"))
    if any(":" in server for server in _servers(scenario)):
        return Unfit(N_("its resolver has an IPv6 address, and a rule queues IPv4 only"))
    return None


def _servers(scenario: Scenario) -> list[str]:
    return [server for step in scenario.step if isinstance(step, Resolver) for server in step.servers]


def _firewalls(scenario: Scenario) -> list[Firewall]:
    return [step for step in scenario.step if isinstance(step, Firewall)]


def _changed(workaround: KnownWorkaround, step: Step, *, is_behind: bool) -> Step:
    match step:
        case Queue() if workaround.table or workaround.unattended:
            # The hook module knows no table and no bypass: a rule takes its place.
            update: dict[str, object] = {"by": "iptables" if step.by == "nfqdns" else step.by}
            if workaround.table:
                update |= {"table": workaround.table, "chain": "PREROUTING" if is_behind else "OUTPUT"}
            if workaround.unattended:
                update |= {"bypass": True, "listener": False}
            return step.model_copy(update=update)
        case Agent():
            return step.model_copy(update={"may_be_passed": True})
        case Firewall() if workaround.random_fully:
            return step.model_copy(update={"rules": _SOURCE_NAT.sub(r"\1 --random-fully", step.rules)})
    return step


def _with_options(workaround: KnownWorkaround, steps: list[Step]) -> list[Step]:
    """Add options to those that a scenario has."""
    known = next((step for step in steps if isinstance(step, Resolver)), Resolver(do="resolver"))
    options = tuple(dict.fromkeys((*known.options, *workaround.options)))
    oldest = max((version for version in (known.glibc, workaround.glibc) if version), key=_version, default=None)
    changed = known.model_copy(update={"options": options, "glibc": oldest})
    return [changed, *(step for step in steps if step is not known)]


def _version(text: str) -> list[int]:
    return [int(part) for part in text.split(".")]


def _with_rules(rules: str, steps: list[Step]) -> list[Step]:
    """Add rules before those that a scenario has, in one step: the machine loads one file of rules."""
    own = [step for step in steps if isinstance(step, Firewall)]
    whole = "\n".join([rules.strip(), *(step.rules.strip() for step in own)]) + "\n"
    others = [step for step in steps if not isinstance(step, Firewall)]
    return [Firewall(do="firewall", rules=whole), *others]


def _variant(scenario: Scenario, suffix: str, steps: list[Step]) -> Scenario:
    changed = {
        "name": variant_name(scenario.name, suffix),
        "step": tuple(steps),
        # Whether a lookup stalls is asked, not whether the race was armed: a workaround may prevent just that.
        "arms": False,
        "may_stay_unarmed": False,
        "expected": {},
        "measured_on": (),
    }
    return scenario.model_copy(update=changed)
