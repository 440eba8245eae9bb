"""The lab's main result: the stall on old, none on new and today, with real packets."""

from __future__ import annotations

import re
from pathlib import Path

from lab.evidence import counters, hook
from lab.foundation.home import SCENARIOS as SCENARIO_FILES
from tests.guest.conftest import TestLab

SCENARIOS = ("baseline", "nfqueue", "nfqueue-single-request-reopen")


def test_old_stalls_and_new_and_today_do_not(running: TestLab) -> None:
    """Every armed trial on old waits five seconds, none elsewhere, and the workaround works everywhere."""
    result = running.run("run", "old", "new", "today", *(f"-s{name}" for name in SCENARIOS), "-n", "3", "--json")

    assert result.status == 0, result.err
    cells = {(cell["machine"], cell["scenario"]): cell for cell in result.json["cells"]}
    assert set(cells) == {(machine, scenario) for machine in ("old", "new", "today") for scenario in SCENARIOS}
    for (machine, scenario), cell in cells.items():
        stalls = machine == "old" and scenario == "nfqueue"
        assert cell["trials"] == 3
        assert set(cell["unjudged"].values()) == {0}
        assert cell["armed"] == (3 if scenario == "nfqueue" else 0)
        assert cell["stalled"] == (3 if stalls else 0)
        assert cell["verdict"] == ("stalled" if stalls else "healthy")
        assert (cell["median_s"] >= 5) == stalls
    assert result.json["machines"]["old"] == {
        "kernel": running.ask("old", "uname -r").strip(),
        "system": "replica",
        "distribution": "Debian GNU/Linux 12 (bookworm)",
        "era": "drop",
        "replica": True,
        "added": False,
        "title": "conntrack as on CentOS 7.0 (3.10.0-123)",
        "verified": None,
        "queued_by": "nfqdns",
    }
    today = result.json["machines"]["today"]
    assert (today["system"], today["replica"]) == ("debian", False)


def test_each_era_leaves_its_own_counters(running: TestLab) -> None:
    """A risen insert_failed does not mean a lost packet: new raises it too, and today changes no counter."""
    result = running.run("run", "-s", "nfqueue", "-n", "1", "--json")
    assert result.status == 0, result.err

    rises = {}
    for machine in ("old", "new", "today"):
        trial = Path(result.json["path"]) / machine / "nfqueue" / "0001"
        rose = counters.compute_rises(
            *(counters.parse_stat((trial / f"stat.{when}").read_text()) for when in ("before", "after"))
        )
        rises[machine] = {name: rose[name] for name in ("insert_failed", "drop", "clashres")}

    assert rises == {
        "old": {"insert_failed": 1, "drop": 0, "clashres": 0},
        "new": {"insert_failed": 1, "drop": 0, "clashres": 1},
        "today": {"insert_failed": 0, "drop": 0, "clashres": 0},
    }


def test_the_aaaa_query_is_lost_and_retransmitted_on_the_first_conntrack(running: TestLab) -> None:
    """As in the article: two conntracks, then after 5 s both queries on the first one."""
    result = running.run("run", "old", "-s", "nfqueue", "-n", "1", "--json")
    assert result.status == 0, result.err

    log = Path(result.json["path"]) / "old" / "nfqueue" / "0001" / "dmesg"
    first, second, again_first, again_second = hook.parse(log.read_text())

    assert first.ct != second.ct
    assert again_first.ct == again_second.ct == first.ct
    assert [again_first.dns_id, again_second.dns_id] == [first.dns_id, second.dns_id]
    assert 4.9 < again_first.time_s - first.time_s < 6


def test_compare_judges_stored_runs_without_machines(running: TestLab) -> None:
    """Stored evidence gives the same verdict later."""
    ran = running.run("run", "old", "new", "-s", "nfqueue", "-n", "2", "--json")
    compared = running.run("compare", "old", "new", "-s", "nfqueue", "--json")

    assert compared.status == 0, compared.err
    assert compared.json["schema"] == 2
    assert compared.json["cells"] == ran.json["cells"]
    text = running.well("compare", "old", "new", "-s", "nfqueue").out
    assert re.search(r"^old \(replica\): 2 of 2 armed trials stalled for one timeout of 5 s$", text, re.MULTILINE)
    assert re.search(r"^new \(replica\): none of 2 armed trials stalled$", text, re.MULTILINE)


def test_an_unexpected_outcome_is_exit_status_1(running: TestLab, tmp_path: Path) -> None:
    """A script learns that a kernel did not do what its scenario expects."""
    hopeful = (SCENARIO_FILES / "nfqueue.toml").read_text().replace('drop = "stalled"', 'drop = "healthy"')
    (tmp_path / "hopeful.toml").write_text(hopeful)

    result = running.run("run", "old", "-s", str(tmp_path / "hopeful.toml"), "-n", "1")

    assert result.status == 1
    assert "stalled, expected healthy" in result.out
