"""Output of `lab kernel` and `lab classify`, as far as no guest is needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.catalogue.era import Era
from lab.catalogue.find import scenarios
from lab.catalogue.machine import System
from lab.catalogue.queue import QueuedBy
from lab.commands.classify import KernelClassified, KernelsClassified
from lab.foundation.home import SCENARIOS
from lab.judgement.era import Classification, TrialEra
from lab.judgement.era_signs import Sure
from lab.present import ticket
from lab.present.json import dispatch
from lab.runs.experiment import UnsupportedScenario, adapt
from lab.runs.run import RanOn
from tests.command_line import lab
from tests.kernels import tree


def test_a_kernel_without_netfilter_is_added_but_not_classified(tmp_path: Path) -> None:
    """The reason is given without a boot; a package may have been forgotten."""
    files = tree(tmp_path / "files", without="netfilter")
    added = lab(tmp_path, "kernel", "add", str(files), "--name", "bare", "--quiet")
    assert (added.returncode, added.stderr) == (0, "")
    assert "bare has no nf_conntrack, nfnetlink_queue: no trial can be made on it" in " ".join(added.stdout.split())

    result = lab(tmp_path, "classify", "bare", "--json")
    assert result.returncode == 1
    observed = json.loads(result.stdout)["machines"]["bare"]
    assert (observed["era"], observed["trials"]) == (None, [])
    assert "it has no nf_conntrack, nfnetlink_queue, neither as a module nor built in" in observed["reason"]
    run = lab(tmp_path, "run", "--kernel", "bare")
    assert run.returncode == 2
    assert "no trial can be made on kernel bare: it has no nf_conntrack" in run.stderr


def test_a_kernel_is_listed_with_its_facts_and_removed_completely(tmp_path: Path) -> None:
    """A machine that is absent is listed, too, so that its name is visible."""
    lab(tmp_path, "kernel", "add", str(tree(tmp_path / "files")), "--name", "mine", COLUMNS="120")
    listing = lab(tmp_path, "kernel", "list").stdout

    for word in ("mine", "4.18.0-test.x86_64", "MB", "no", "not known", "absent", "from files"):
        assert word in listing
    assert "kernel mine" in lab(tmp_path, "status").stdout
    assert lab(tmp_path, "kernel", "remove", "mine").stdout == "removed: mine\n"
    assert json.loads(lab(tmp_path, "kernel", "list", "--json").stdout)["kernels"] == {}
    assert [path.name for path in (tmp_path / "kernels").iterdir()] == ["adding.lock"]


def classified(era: Era | None, queued_by: QueuedBy = "nfqdns", *, replica: bool = False) -> KernelClassified:
    """Return what was found of a kernel."""
    ran_on = RanOn(
        kernel="4.9.0",
        era=None,
        system=System.REPLICA if replica else System.ADDED,
        title="kernel 4.9.0",
        queued_by=queued_by,
    )
    trial = TrialEra(era, Sure.COUNTED if era else None, ("stat.after",), "insert_failed rose by 1")
    classification = Classification(era, trial.sure, "1 of 1 armed trials say so", 1, 0, (trial,))
    return KernelClassified("mine", ran_on, classification, ("mine/nfqueue/1",), "20261125T200114Z")


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (classified(Era.DROP), ["kernel 4.9.0 has era drop", "by the hook module", "It is affected"]),
        (classified(Era.RESOLVE, "iptables"), ["has era resolve", "a rule of iptables", "not affected by the plain"]),
        (classified(Era.RELOOKUP, replica=True), ["4.9.0, on a replica, has era relookup", "not affected"]),
        (classified(None), ["mine: whether kernel 4.9.0 is affected cannot be determined"]),
    ],
    ids=["drop", "resolve", "relookup", "cannot tell"],
)
def test_the_answer_is_a_sentence_for_a_ticket(one: KernelClassified, words: list[str]) -> None:
    """It names what is affected, the evidence, and how packets were queued."""
    sentence = ticket.classified(one)

    assert all(word in sentence for word in words)
    assert ("replica" in sentence) == bool(one.ran_on and one.ran_on.replica)
    classification = json.loads(dispatch.text(KernelsClassified((one,))))["machines"]["mine"]
    assert classification["sentence"] == sentence
    assert classification["trials"][0]["rests_on"] == ["stat.after"]


@pytest.mark.parametrize(
    ("name", "queued_by", "expected"),
    [
        ("nfqueue", "nfqdns", "nfqdns"),
        ("nfqueue", "iptables", "iptables"),
        ("nfqueue-nftables", "iptables", "nftables"),
        ("nfqueue-cache-loopback", "nftables", None),
    ],
)
def test_without_a_hook_module_a_rule_queues_packets(name: str, queued_by: QueuedBy, expected: str | None) -> None:
    """Exceptions are scenarios that need the module, and scenarios about a rule."""
    (scenario,) = scenarios(SCENARIOS, [name])
    if expected is None:
        with pytest.raises(UnsupportedScenario, match="headers"):
            adapt(scenario, queued_by)
        return
    queue = adapt(scenario, queued_by).queue
    assert queue is not None
    assert queue.by == expected
