"""Workarounds: how each changes a scenario, what a table says of them, and how it is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.catalogue import find, workaround
from lab.catalogue.agent import Agent
from lab.catalogue.era import Era
from lab.catalogue.machine import System
from lab.catalogue.scenario import Firewall, Scenario
from lab.catalogue.workaround import Unfit
from lab.commands import workarounds as command
from lab.comparison import workarounds
from lab.comparison.cells import Cell, Comparison, LeftOut, cell
from lab.comparison.workarounds import Help, WorkaroundRow
from lab.foundation.errors import BadInput
from lab.foundation.home import SCENARIOS
from lab.judgement.outcome import Outcome, Verdict
from lab.runs import experiment
from lab.runs.run import RanOn
from tests import stored_runs
from tests.command_line import lab

KNOWN = {each.name: each for each in workaround.workarounds(SCENARIOS)}

OLD = RanOn(kernel="6.1.0", era=Era.DROP, system=System.REPLICA, title="a replica")


def scenario(name: str) -> Scenario:
    """Return a scenario of the lab."""
    return find.scenarios(SCENARIOS, [name])[0]


def changed(name: str, on: str) -> Scenario:
    """Return a scenario with a workaround that must fit."""
    found = workaround.apply(KNOWN[name], scenario(on))
    assert isinstance(found, Scenario)
    return found


def test_every_workaround_of_the_lab_can_be_read() -> None:
    """Their names are those that people type."""
    assert {"single-request", "single-request-reopen", "no-aaaa", "use-vc", "raw", "notrack", "cache"} <= KNOWN.keys()
    assert {"bypass", "random-fully", "node-local"} <= KNOWN.keys()


@pytest.mark.parametrize("name", [name for name in KNOWN if name != "random-fully"])
def test_a_changed_scenario_is_one_that_a_file_could_have(name: str) -> None:
    """It is run and stored like any other; nothing is expected of it, and a queue that arms nothing is no fault."""
    made = changed(name, "nfqueue")

    assert Scenario.model_validate_json(made.model_dump_json()) == made
    assert made.name == f"nfqueue-with-{name}"
    assert (made.arms, made.expected) == (False, {})
    assert made != scenario("nfqueue")
    assert experiment.settings(made) != experiment.settings(scenario("nfqueue"))


@pytest.mark.parametrize(
    ("name", "on", "settings"),
    [
        ("single-request", "nfqueue", {"resolver=single-request", "glibc=2.10", "queue=nfqdns"}),
        ("use-vc", "nfqueue-single-request-reopen", {"resolver=single-request-reopen use-vc", "glibc=2.14"}),
        ("no-aaaa", "nfqueue-dnat", {"resolver=no-aaaa", "nameserver=10.10.10.60"}),
        ("raw", "nfqueue", {"queue=iptables", "table=raw", "chain=OUTPUT", "listening=--hold-packets 2 --hold-ms 100"}),
        ("raw", "nfqueue-nftables", {"queue=nftables", "table=raw"}),
        ("bypass", "nfqueue", {"queue=iptables", "bypass=yes", "listeners=0"}),
        ("raw", "forwarded", {"queue=iptables", "table=raw", "chain=PREROUTING", "network=forwarded"}),
        ("bypass", "forwarded", {"queue=iptables", "chain=FORWARD", "bypass=yes", "listeners=0"}),
        ("node-local", "forwarded", {"cache=169.254.20.10"}),
        ("cache", "nfqueue", {"cache=127.0.0.1", "queue=nfqdns"}),
    ],
)
def test_a_workaround_changes_the_settings_of_the_machine(name: str, on: str, settings: set[str]) -> None:
    """Options are added to those that are there, and the hook module gives way to a rule where it must."""
    assert settings <= set(experiment.settings(changed(name, on)))


def test_rules_are_added_before_those_of_the_scenario() -> None:
    """The machine loads one file of rules: a second step would replace the first."""
    (rules,) = (step for step in changed("notrack", "nfqueue-dnat").step if isinstance(step, Firewall))

    assert rules.rules.index("--notrack") < rules.rules.index("DNAT")
    assert rules.rules.count("COMMIT") == 2


def test_source_nat_chooses_ports_at_random_once() -> None:
    """Other rules, and those that do it already, stay as they are."""
    rules = ("-A POSTROUTING -o up -j MASQUERADE", "-A X -j SNAT --to-source 10.0.0.1 --random-fully", "-A Y -j ACCEPT")
    before = "".join(f"{rule}\n" for rule in ("*nat", *rules, "COMMIT"))
    natted = scenario("nfqueue").model_copy(update={"step": (Firewall(do="firewall", rules=before),)})

    made = workaround.apply(KNOWN["random-fully"], natted)

    assert isinstance(made, Scenario)
    assert isinstance(workaround.apply(KNOWN["random-fully"], scenario("forwarded-masquerade")), Scenario)
    (changed_rules,) = (step.rules for step in made.step if isinstance(step, Firewall))
    assert changed_rules == before.replace("MASQUERADE", "MASQUERADE --random-fully")


@pytest.mark.parametrize(
    ("name", "on", "reason", "by_client"),
    [
        ("single-request", "nfqueue-musl", "lookup-musl does not use glibc's resolver", True),
        ("no-aaaa", "nfqueue-busybox", "busybox does not use glibc's resolver", True),
        ("random-fully", "nfqueue", "it has no rule of source NAT", False),
        ("raw", "opensnitch", "the product chooses where it queues", False),
        ("raw", "baseline", "nothing is queued by a rule", False),
        ("raw", "nfqueue-ipv6", "a rule queues IPv4 only", False),
        ("cache", "nfqueue-cache", "it has a cache already", False),
    ],
)
def test_a_workaround_that_cannot_be_applied_says_why(name: str, on: str, reason: str, *, by_client: bool) -> None:
    """A client that cannot use it is distinguished from a scenario that has nothing to change."""
    found = workaround.apply(KNOWN[name], scenario(on))

    assert isinstance(found, Unfit)
    assert reason in found.reason
    assert found.by_client == by_client


def test_a_product_may_be_passed_by() -> None:
    """With NOTRACK a rule for new flows queues nothing: that is the workaround, not a fault of the product."""
    agents = [step for step in changed("notrack", "opensnitch").step if isinstance(step, Agent)]

    assert [agent.may_be_passed for agent in agents] == [True]
    assert not any(isinstance(step, Agent) for step in workaround.without_queue(scenario("opensnitch")).step)


def test_names_of_variants_are_names() -> None:
    """The longest scenario's name is cut."""
    long = scenario("nfqueue").model_copy(update={"name": "a" * 61})
    made = workaround.apply(KNOWN["single-request-reopen"], long)

    assert isinstance(made, Scenario)
    assert Scenario.model_validate_json(made.model_dump_json()).name == f"{'a' * 34}-with-single-request-reopen"


def test_the_plan_has_a_variant_without_hold_for_each_that_holds() -> None:
    """What the verdict program holds is no cost of a workaround."""
    names = [each.name for each in command.plan(scenario("nfqueue"), [KNOWN["raw"], KNOWN["bypass"]])]

    assert names == [
        "nfqueue-without-queue",
        "nfqueue",
        "nfqueue-with-raw",
        "nfqueue-with-raw-unheld",
        "nfqueue-with-bypass",
    ]
    timed = command.plan(scenario("nfqueue"), [KNOWN["raw"]])[-1]
    assert {"listening=--hold-packets 1 --hold-ms 0", "table=raw"} <= set(experiment.settings(timed))


def made(name: str, *outcomes: Outcome, took_s: float = 0.02) -> Cell:
    """Return a cell of trials with these outcomes."""
    of = scenario("nfqueue").model_copy(update={"name": name, "arms": False, "expected": {}})
    verdicts = [
        Verdict(each, armed=None, lookup_s=5.0 if each is Outcome.STALLED else took_s, gathered=False, reason="")
        for each in outcomes
    ]
    return cell("old", OLD, of, verdicts)


HEALTHY, STALLED, FAILED = Outcome.HEALTHY, Outcome.STALLED, Outcome.FAILED


def row(base: tuple[Outcome, ...], tried: tuple[Outcome, ...]) -> WorkaroundRow:
    """Return the row of a workaround by the outcomes without it and with it."""
    cells = (
        made("nfqueue-without-queue", HEALTHY, took_s=0.01),
        made("nfqueue", *base),
        made("nfqueue-with-raw", *tried, took_s=0.25),
        made("nfqueue-with-raw-unheld", *([HEALTHY] * len(tried)), took_s=0.013),
    )
    compared = Comparison({"old": OLD}, cells, {})
    table = workarounds.build(compared, "nfqueue", [KNOWN["raw"]], {}, "nfqueue-without-queue")
    return table.rows[0]


@pytest.mark.parametrize(
    ("base", "tried", "helps"),
    [
        ((STALLED, STALLED), (HEALTHY, HEALTHY), Help.HELPS),
        ((STALLED, HEALTHY), (HEALTHY, HEALTHY), Help.HELPS),
        ((STALLED, STALLED), (STALLED, HEALTHY), Help.HELPS_PARTLY),
        ((STALLED, STALLED), (STALLED, STALLED), Help.HELPS_NOT),
        ((HEALTHY, HEALTHY), (HEALTHY, HEALTHY), Help.NO_NEED),
        ((HEALTHY, HEALTHY), (STALLED, HEALTHY), Help.HELPS_NOT),
        ((STALLED, STALLED), (FAILED, FAILED), Help.FAILS),
        ((FAILED, FAILED), (HEALTHY, HEALTHY), Help.UNKNOWN),
    ],
)
def test_a_workaround_is_judged_by_the_same_scenario_without_it(
    base: tuple[Outcome, ...], tried: tuple[Outcome, ...], helps: Help
) -> None:
    """What never stalled needs no help, and what could not be judged is no evidence."""
    assert row(base, tried).help is helps


def test_the_cost_is_the_time_without_a_hold_minus_that_without_a_queue() -> None:
    """The lab's own hold is left out of it; where lookups stall there is no cost to speak of."""
    found = row((STALLED,), (HEALTHY,))

    assert found.median_s == pytest.approx(0.013)
    assert found.cost_s == pytest.approx(0.003)
    assert row((STALLED,), (STALLED,)).cost_s is None


def test_a_machine_that_lacks_something_says_so() -> None:
    """Such as an old glibc; a workaround that no trial was made of is unknown."""
    left_out = (LeftOut("old", "nfqueue-with-no-aaaa", "glibc 2.17"),)
    compared = Comparison({"old": OLD}, (made("nfqueue", STALLED),), {}, left_out)
    known = [KNOWN["no-aaaa"], KNOWN["raw"], KNOWN["random-fully"]]
    unfit = {"random-fully": Unfit("no rule", by_client=False)}

    rows = workarounds.build(compared, "nfqueue", known, unfit, "nfqueue-without-queue").rows

    assert [(each.help, each.reason) for each in rows] == [
        (Help.UNFIT, "glibc 2.17"),
        (Help.UNKNOWN, ""),
        (Help.UNFIT, "no rule"),
    ]


def test_an_unknown_workaround_is_named_with_those_that_there_are() -> None:
    """A typing error is quickly corrected."""
    with pytest.raises(BadInput, match=r"no workaround is called 'rwa'; there are: bypass, cache") as caught:
        workaround.workarounds(SCENARIOS, ("rwa",))
    assert caught.value.hint == "did you mean 'raw'?"


@pytest.fixture
def stored(tmp_path: Path) -> stored_runs.Stored:
    """Return a lab with a run of workarounds, made of recorded trials, and another run."""
    return stored_runs.at(tmp_path)


def test_stored_workarounds_are_shown_again(stored: stored_runs.Stored) -> None:
    """Every figure is computed from the raw files; no machine is needed."""
    run = stored.workarounds()

    shown = lab(stored.home, "workarounds", "--run", run.id)
    listed = json.loads(lab(stored.home, "workarounds", "--run", run.id, "--json").stdout)

    assert shown.returncode == 0
    assert "old (replica): 1 of 1 lookups stalled in nfqueue without a workaround" in " ".join(shown.stdout.split())
    by_name = {each["workaround"]: each for each in listed["rows"]}
    assert (by_name["cache"]["help"], by_name["random-fully"]["help"]) == ("helps", "does not apply")
    assert KNOWN["cache"].title in [each["title"] for each in listed["workarounds"]]


def test_the_report_has_products_and_workarounds_in_both_languages(stored: stored_runs.Stored) -> None:
    """What a product did, and what each workaround does, with figures that lead to the page's data."""
    tried, products = stored.workarounds(), stored.products()
    page = stored.home / "report.html"

    done = lab(stored.home, "report", "--run", products.id, "--run", tried.id, "-o", str(page), "--json")

    assert done.returncode == 0, done.stderr
    written = json.loads(done.stdout)
    (product,) = written["products"]
    assert {name: each["verdict"] for name, each in product["tried"].items()} == {
        "old": "stalled",
        "new": "healthy",
        "today": "not started",
    }
    assert "OpenSnitch did not start" in product["tried"]["today"]["reason"]
    (change,) = written["changes"]
    helps = {each["name"]: each["tried"]["old"]["help"] for each in change["workarounds"]}
    assert (helps["cache"], helps["random-fully"]) == ("helps", "does not apply")
    html = page.read_text()
    assert html.count("With this product: OpenSnitch") == html.count("使用这个产品：OpenSnitch") == 1
    assert html.count("What would you change? Workarounds for nfqueue") == 1
    assert "未启动" in html


def test_a_run_whose_product_did_not_start_is_not_as_expected(stored: stored_runs.Stored) -> None:
    """The table says so, and its JSON counts such trials."""
    run = stored.products()

    done = lab(stored.home, "compare", "--run", run.id, COLUMNS="120")
    cells = json.loads(lab(stored.home, "compare", "--run", run.id, "--json").stdout)["cells"]

    assert "not started, 1 of 1 not started, expected healthy" in " ".join(done.stdout.split())
    assert [cell["unjudged"]["not_started"] for cell in cells] == [0, 0, 1]
    assert [cell["as_expected"] for cell in cells] == [True, True, False]


def test_another_run_is_no_run_of_workarounds(stored: stored_runs.Stored) -> None:
    """The message says how one is made."""
    run = stored.run(("old-nfqueue",))

    done = lab(stored.home, "workarounds", "--run", run.id)

    assert done.returncode == 2
    assert "is no run of workarounds" in done.stderr


def test_a_scenario_without_a_queue_is_refused(tmp_path: Path) -> None:
    """There is nothing to work around."""
    done = lab(tmp_path, "workarounds", "old", "-s", "baseline")

    assert done.returncode == 2
    assert "baseline queues nothing" in done.stderr
