"""What `lab kernel` and `lab classify` say, as far as no guest is needed for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.catalogue.era import Era
from lab.catalogue.find import scenarios
from lab.catalogue.scenario import QueuedBy
from lab.classification import Classification, Sure, TrialEra
from lab.commands.classify import KernelClassified, KernelsClassified
from lab.experiment import LeftOut, on
from lab.home import SCENARIOS
from lab.report import as_json, kernels
from lab.store import RanOn
from tests.command_line import lab
from tests.kernels import tree


def test_a_kernel_without_netfilter_is_taken_in_and_its_era_cannot_be_told(tmp_path: Path) -> None:
    """With the reason and without a boot; it may be that a package was forgotten."""
    files = tree(tmp_path / "files", without="netfilter")
    added = lab(tmp_path, "kernel", "add", str(files), "--name", "bare", "--quiet")
    assert (added.returncode, added.stderr) == (0, "")
    assert "bare has no nf_conntrack, nfnetlink_queue: no trial can be made on it" in " ".join(added.stdout.split())

    done = lab(tmp_path, "classify", "bare", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)["machines"]["bare"]
    assert (found["era"], found["trials"]) == (None, [])
    assert "it has no nf_conntrack, nfnetlink_queue, neither as a module nor built in" in found["reason"]
    run = lab(tmp_path, "run", "--kernel", "bare")
    assert run.returncode == 2
    assert "no trial can be made on kernel bare: it has no nf_conntrack" in run.stderr


def test_a_kernel_is_listed_with_what_is_known_of_it_and_removed_with_all_it_has(tmp_path: Path) -> None:
    """A machine that is not there is listed, too, so that its name is known."""
    lab(tmp_path, "kernel", "add", str(tree(tmp_path / "files")), "--name", "mine", COLUMNS="120")
    listed = lab(tmp_path, "kernel", "list").stdout

    for told in ("mine", "4.18.0-test.x86_64", "MB", "no", "not known", "absent", "from files"):
        assert told in listed
    assert "kernel mine" in lab(tmp_path, "status").stdout
    assert lab(tmp_path, "kernel", "remove", "mine").stdout == "removed: mine\n"
    assert json.loads(lab(tmp_path, "kernel", "list", "--json").stdout)["kernels"] == {}
    assert [path.name for path in (tmp_path / "kernels").iterdir()] == ["adding.lock"]


def _classified(era: Era | None, queued_by: QueuedBy = "nfqdns", *, replica: bool = False) -> KernelClassified:
    ran_on = RanOn(
        kernel="4.9.0", era=None, replica=replica, title="kernel 4.9.0", added=not replica, queued_by=queued_by
    )
    trial = TrialEra(era, Sure.COUNTED if era else None, ("stat.after",), "insert_failed rose by 1")
    found = Classification(era, trial.sure, "1 of 1 armed trials say so", 1, 0, (trial,))
    return KernelClassified("mine", ran_on, found, ("mine/nfqueue/1",), "20261125T200114Z")


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (_classified(Era.DROP), ["kernel 4.9.0 is of era drop", "by the hook module", "It is affected"]),
        (_classified(Era.RESOLVE, "iptables"), ["of era resolve", "a rule of iptables", "not affected by the plain"]),
        (_classified(Era.RELOOKUP, replica=True), ["4.9.0, on a replica, is of era relookup", "not affected"]),
        (_classified(None), ["mine: whether kernel 4.9.0 is affected cannot be told"]),
    ],
    ids=["drop", "resolve", "relookup", "cannot tell"],
)
def test_the_answer_is_a_sentence_for_a_ticket(one: KernelClassified, words: list[str]) -> None:
    """It says what is affected, on what that rests, and how packets were queued."""
    sentence = kernels.sentence(one)

    assert all(word in sentence for word in words)
    assert ("replica" in sentence) == bool(one.ran_on and one.ran_on.replica)
    told = json.loads(as_json.text(KernelsClassified((one,))))["machines"]["mine"]
    assert told["sentence"] == sentence
    assert told["trials"][0]["rests_on"] == ["stat.after"]


@pytest.mark.parametrize(
    ("name", "queued_by", "expected"),
    [
        ("nfqueue", "nfqdns", "nfqdns"),
        ("nfqueue", "iptables", "iptables"),
        ("nfqueue-nftables", "iptables", "nftables"),
        ("nfqueue-cache-loopback", "nftables", None),
    ],
)
def test_where_the_hook_module_is_not_to_be_had_a_rule_stands_in(
    name: str, queued_by: QueuedBy, expected: str | None
) -> None:
    """Except where the module sees what the rule does not; a scenario about a rule stays as it is."""
    (scenario,) = scenarios(SCENARIOS, [name])
    if expected is None:
        with pytest.raises(LeftOut, match="headers"):
            on(scenario, queued_by)
        return
    queue = on(scenario, queued_by).queue
    assert queue is not None
    assert queue.by == expected
