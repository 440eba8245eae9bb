"""Every table, page and document names the system; runs stored by older labs are still readable."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from lab.catalogue.era import Era
from lab.catalogue.machine import System
from lab.foundation.language import Language
from lab.present import sentences
from lab.present.page import render
from lab.runs.run import RanOn
from tests import stored_runs
from tests.command_line import lab

GOLDEN = Path(__file__).parents[1] / "golden"

DEBIAN = "Debian GNU/Linux 12 (bookworm)"
OWN = RanOn(
    kernel="3.10.0-123.el7.x86_64",
    era=Era.DROP,
    system=System.KERNEL,
    title="CentOS 7.0's kernel (3.10.0-123) under Debian 12's userland",
    distribution=DEBIAN,
    verified=True,
)
REPLICA = RanOn(
    kernel="6.1.0-56-cloud-amd64",
    era=Era.RESOLVE,
    system=System.REPLICA,
    title="conntrack as on CentOS 7.8 (3.10.0-1127)",
    distribution=DEBIAN,
)
CENTOS = RanOn(
    kernel="3.10.0-1127.el7.x86_64",
    era=Era.RESOLVE,
    system=System.CENTOS,
    title="CentOS 7.8 (3.10.0-1127)",
    distribution="CentOS Linux 7 (Core)",
)
UNVERIFIED = OWN.model_copy(update={"verified": False})
TRIALS = ("old-baseline", "old-nfqueue", "new-nfqueue")

MIXTURES = {
    "kernel-and-replica": {"old": OWN, "new": REPLICA},
    "unverified-and-centos": {"old": UNVERIFIED, "new": CENTOS},
}


@pytest.mark.parametrize("form", ["txt", "md"])
@pytest.mark.parametrize("mixture", MIXTURES)
def test_a_comparison_names_the_system_of_each_machine_in_every_line(tmp_path: Path, mixture: str, form: str) -> None:
    """A replica never passes for a real kernel, nor a real kernel under Debian's userland for CentOS."""
    stored_runs.at(tmp_path).run(TRIALS, as_if=MIXTURES[mixture])
    options = () if form == "txt" else ("--format", form)

    printed = "".join(
        f"{line.rstrip()}\n" for line in lab(tmp_path, "compare", *options, COLUMNS="120").stdout.splitlines()
    )

    golden = GOLDEN / f"systems-{mixture}.{form}"
    assert printed == golden.read_text(), f"look at what changed, then write it to {golden}"


@pytest.mark.parametrize("mixture", MIXTURES)
def test_json_and_csv_name_the_system(tmp_path: Path, mixture: str) -> None:
    """All commands that read runs are covered."""
    machines = MIXTURES[mixture]
    stored_runs.at(tmp_path).run(TRIALS, as_if=machines)
    systems = {name: ran_on.system.value for name, ran_on in machines.items()}

    for command in (["compare"], ["show"], ["report", "-o", str(tmp_path / "page.html")]):
        observed = json.loads(lab(tmp_path, *command, "--json").stdout)["machines"]
        assert {name: one["system"] for name, one in observed.items()} == systems
        assert {name: one["replica"] for name, one in observed.items()} == {
            name: system == "replica" for name, system in systems.items()
        }
        assert {name: one["distribution"] for name, one in observed.items()} == {
            name: ran_on.distribution for name, ran_on in machines.items()
        }
        assert observed["old"]["verified"] == machines["old"].verified
    rows = list(csv.DictReader(io.StringIO(lab(tmp_path, "compare", "--format", "csv").stdout)))
    assert {row["machine"]: row["system"] for row in rows} == systems
    output = json.loads(lab(tmp_path, "show", "old/nfqueue/2", "--json").stdout)["machine"]
    assert (output["name"], output["system"]) == ("old", "kernel")


def test_a_shown_trial_names_its_machines_system(tmp_path: Path) -> None:
    """A trial pasted into a ticket states where it was made."""
    stored_runs.at(tmp_path).run(TRIALS, as_if=MIXTURES["kernel-and-replica"])

    for trial in ([], ["old/nfqueue/2"]):
        printed = " ".join(lab(tmp_path, "show", *trial).stdout.split())
        assert sentences.machine("old", OWN) in printed


@pytest.mark.parametrize(
    ("mixture", "language", "there", "not_there"),
    [
        (
            "kernel-and-replica",
            Language.ENGLISH,
            [" (kernel)</span>", " (replica)</span>", "CentOS's own kernel under another userland", "several systems"],
            ["signature not verified"],
        ),
        ("unverified-and-centos", Language.ENGLISH, [" (CentOS)</span>", "signature not verified"], [" (replica)"]),
        ("kernel-and-replica", Language.CHINESE, ["（真内核）", "（复刻机）", "另一个用户空间"], ["签名未经验证"]),
        ("unverified-and-centos", Language.CHINESE, ["（CentOS）", "签名未经验证"], ["（复刻机）"]),
    ],
)
def test_the_page_names_the_system(
    tmp_path: Path, mixture: str, language: Language, there: list[str], not_there: list[str]
) -> None:
    """It is beside each machine's name, in both languages, and in the table of measurements."""
    stored_runs.at(tmp_path).run(TRIALS, as_if=MIXTURES[mixture])
    document: dict[str, Any] = json.loads(lab(tmp_path, "report", "--json", "-o", str(tmp_path / "page.html")).stdout)

    body = render._body(document, language)  # noqa: SLF001  the page holds both languages

    for text in there:
        assert text.replace("'", "&#39;") in body.replace("'", "&#39;"), text
    for text in not_there:
        assert text not in body


def test_machines_with_one_system_are_not_called_mixed() -> None:
    """The same holds for machines with only one possible system, such as today and added kernels."""
    today = REPLICA.model_copy(update={"system": System.DEBIAN})
    added = REPLICA.model_copy(update={"system": System.ADDED})
    assert sentences.mixed({"old": REPLICA, "new": REPLICA, "today": today, "el78": added}) == []
    assert len(sentences.mixed({"old": OWN, "new": REPLICA})) == 1


@pytest.mark.parametrize("system", System)
def test_each_system_has_a_distinct_name(system: System) -> None:
    """A machine's line is unambiguous for any kernel."""
    lines = {sentences.machine("old", OWN.model_copy(update={"system": other})) for other in System}
    assert len(lines) == len(System)
    called = sentences.called("old", OWN.model_copy(update={"system": system}))
    expected = {
        System.CENTOS: "old (CentOS)",
        System.KERNEL: "old (kernel)",
        System.REPLICA: "old (replica)",
        System.ADDED: "kernel old",
    }
    assert called == expected.get(system, "old")


@pytest.mark.parametrize(
    ("older", "system", "distribution"),
    [
        ({"replica": True, "title": "conntrack as on ...", "system": DEBIAN}, System.REPLICA, DEBIAN),
        ({"replica": False, "title": "Debian 12's kernel as it is", "system": DEBIAN}, System.DEBIAN, DEBIAN),
        ({"replica": False, "title": "kernel 5", "system": DEBIAN, "added": True}, System.ADDED, DEBIAN),
        ({"replica": False, "title": "CentOS 7.0 (3.10.0-123)", "system": "CentOS 7.0"}, System.CENTOS, "CentOS 7.0"),
        ({"replica": False, "title": "CentOS 7.0 (3.10.0-123)"}, System.CENTOS, ""),
        ({"replica": False, "title": "Ubuntu 24.04, as it is", "system": "Ubuntu"}, System.HOST, "Ubuntu"),
        ({"replica": False, "title": "CentOS 7, as it is", "system": "CentOS 7"}, System.HOST, "CentOS 7"),
    ],
)
def test_a_run_of_an_older_lab_is_readable(older: dict[str, Any], system: System, distribution: str) -> None:
    """There `system` was the distribution; the rest follows from the other fields."""
    text = json.dumps({"kernel": "6.1", "era": "drop", "queued_by": "nfqdns", **older})

    ran_on = RanOn.model_validate_json(text)

    assert (ran_on.system, ran_on.distribution, ran_on.replica) == (system, distribution, older["replica"])
    assert ran_on.verified is None
    assert RanOn.model_validate_json(ran_on.model_dump_json()) == ran_on
