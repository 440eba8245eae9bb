"""Parts of a report: the raw lines behind it, folded time, missing data, and the page."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.catalogue import find
from lab.comparison import time_axis
from lab.evidence import trial
from lab.evidence.quotes import Quote, Quotes
from lab.foundation.home import SCENARIOS
from lab.judgement import verdict
from lab.present.page.scale import Scale
from lab.present.page.timeline import lane_x, pictures
from lab.present.page.view import View
from tests import stored_runs
from tests.command_line import lab
from tests.stored_runs import HOSTILE, Stored
from tests.unit.test_recorded_evidence import REPLICAS


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """Return a lab with one run of all recorded trials."""
    stored = stored_runs.at(tmp_path_factory.mktemp("lab"))
    run = stored.run(stored_runs.ALL)
    stored.store.leave_out(run, "today", "nfqueue-musl", HOSTILE)
    return stored


@pytest.fixture(scope="module")
def document(stored: Stored, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the JSON of a report of the run."""
    return reported(stored, tmp_path_factory.mktemp("out") / "report.html")


def reported(stored: Stored, output: Path, *arguments: str) -> dict[str, Any]:
    """Create a report and return its JSON."""
    result = lab(stored.home, "report", *arguments, "-o", str(output), "--json", "--quiet")
    assert result.returncode == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def big_endian(dns_id: int) -> int:
    """Return an id as the kernel's trace prints it on a little-endian machine."""
    return (dns_id & 0xFF) << 8 | dns_id >> 8


@pytest.mark.parametrize("name", REPLICAS)
def test_every_timeline_point_quotes_a_line_about_its_query(name: str) -> None:
    """A quotation of another query's line would be a false proof."""
    (scenario,) = find.scenarios(SCENARIOS, [REPLICAS[name]["scenario"]])
    directory = stored_runs.RECORDED / name
    quotes = Quotes(directory)
    count = 0
    for line in verdict.judge(trial.read(directory), scenario).lifelines:
        marks = {
            "dmesg": f"tid {line.dns_id} ",
            "verdict.jsonl": f'"dns_id":{line.dns_id},',
            "trace": f"{'dns6' if 'ipv6' in name else 'dns'}={big_endian(line.dns_id)}",
            "client.pcap": f" {line.dns_id} ",
            "server.pcap": f" {line.dns_id} ",
            "dnsmasq.log": f"/{line.sport} query[{line.qtype}]",
        }
        for point in line.points:
            assert {source for source, _ in point.lines} == set(point.seen_by), point.stage
            for source, number in point.lines:
                quote = quotes.get(source, number)
                assert quote is not None
                count += 1
                if source in marks and "confirm: " not in quote.text and "clash: " not in quote.text:
                    assert marks[source] in quote.text, (source, point.stage)
    assert count >= 8  # TCP and a cache show few points


def test_a_missing_line_is_not_quoted(tmp_path: Path) -> None:
    """Nor is anything quoted from an unreadable file."""
    (tmp_path / "dmesg").write_text("one\n")
    (tmp_path / "client.pcap").write_bytes(b"no capture")
    quotes = Quotes(tmp_path)

    assert quotes.get("dmesg", 1) == Quote("dmesg", 1, "one")
    assert quotes.get("dmesg", 9) is None
    assert quotes.get("client.pcap", 1) is None
    assert quotes.get("trace", 1) is None


@given(st.lists(st.floats(0, 100, allow_nan=False), max_size=30))
def test_only_quiet_time_is_folded(moments_s: list[float]) -> None:
    """No event is inside a fold, and no longer silence stays unfolded."""
    folds = time_axis.folds(moments_s)

    for fold in folds:
        assert not [moment for moment in moments_s if fold.from_s < moment < fold.until_s]
        assert fold.from_s in moments_s
        assert fold.until_s in moments_s
    assert all(fold.lasts_s > min(time_axis.QUIET_S) for fold in folds)


@given(st.lists(st.floats(0, 20, allow_nan=False), min_size=2, max_size=30, unique=True))
def test_time_is_to_scale_outside_of_folds(moments_s: list[float]) -> None:
    """Later is lower, and equal durations have equal lengths."""
    ordered = sorted(moments_s)
    folds = [(fold.from_s, fold.until_s) for fold in time_axis.folds(ordered)]
    scale = Scale(ordered[0], ordered[-1], folds, 10.0)

    for before, after in itertools.pairwise(ordered):
        assert scale.y(before) <= scale.y(after)
        if (before, after) not in folds:
            assert scale.y(after) - scale.y(before) == pytest.approx((after - before) * scale.px_a_second, abs=1e-6)
    assert len(scale.breaks) == len(folds)


def test_the_timeline_shows_each_era(document: dict[str, Any]) -> None:
    """The second query ends at confirm in era drop; otherwise it arrives with the first one's conntrack."""
    ways = {}
    for picture in pictures(View(document)["twins"]):
        assert picture.breaks or picture.exhibit["machine"] != "old"
        (ways[str(picture.exhibit["machine"])],) = [
            way for way in picture.ways if way.at["qtype"] == "AAAA" and way.at["attempt"] == 1
        ]
    lost = ways["old"].marks[-1]
    carried = {
        machine: [(str(mark.at["stage"]), mark.conntrack) for mark in way.marks] for machine, way in ways.items()
    }

    assert (lost.shape, lost.says, lost.conntrack) == ("lost", "dropped", 1)
    assert lost.x == pytest.approx(lane_x(3), abs=3)
    assert carried["old"][1:3] == [("queued at the hook", 1), ("verdict given", 1)]
    assert ("confirm returned", 1) in carried["new"]
    assert ("on the wire", 0) in carried["new"]
    assert ("confirm returned", 0) in carried["today"]
    assert all(way.passed is not None for way in ways.values())


def test_the_five_seconds_are_one_wait_and_one_fold(document: dict[str, Any]) -> None:
    """Both come from that trial's evidence."""
    (old,) = [output for output in document["twins"]["exhibits"] if output["machine"] == "old"]
    (wait,) = old["waits"]

    assert 4.5 < wait["lasts_s"] < 6
    assert any(fold["lasts_s"] > 4.5 for fold in document["twins"]["folds"])
    assert [line for line in old["tools"]["strace"] if line["telling"] and "poll" in line["text"]]


def test_each_tools_decisive_lines_are_marked(document: dict[str, Any]) -> None:
    """The clash and confirm's return value are marked; with a relookup there are none."""
    telling = {
        output["machine"]: [line["text"] for line in output["tools"]["trace"] if line["telling"]]
        for output in document["twins"]["exhibits"]
    }

    assert [text.rpartition(" ")[2] for text in telling["old"]] == ["ret=0", "ret=0"]
    assert [text.rpartition(" ")[2] for text in telling["new"]] == ["ret=1", "ret=1"]
    assert telling["today"] == []
    hook = document["twins"]["exhibits"][0]["tools"]["hook"]
    assert [line["conntrack"] for line in hook] == [0, 1, 0, 0]


def test_the_report_has_the_figures_of_the_comparison(stored: Stored, document: dict[str, Any]) -> None:
    """Both read the same stored run."""
    compared = json.loads(lab(stored.home, "compare", "--json").stdout)

    for name in ("machines", "cells", "differences", "left_out"):
        assert document[name] == compared[name]
    (old,) = [answer for answer in document["answers"] if answer["machine"] == "old"]
    arms = [cell for cell in compared["cells"] if cell["machine"] == "old" and cell["arms"]]
    assert old["stalled"] == sum(cell["stalled"] for cell in arms) == 10
    assert old["armed"] == sum(cell["counted"] for cell in arms)


def test_the_counters_are_those_of_the_raw_files(document: dict[str, Any]) -> None:
    """Values before and after were read by a person."""
    old = document["twins"]["exhibits"][0]["counters"]

    assert {"name": "insert_failed", "before": 3, "after": 4, "rose": 1} in old


def test_a_run_without_evidence_reports_what_is_missing(tmp_path: Path) -> None:
    """Every trial still leaves the hook's log."""
    stored = stored_runs.at(tmp_path / "lab")
    stored.run(("old-nfqueue", "new-nfqueue"), evidence=False)
    report = reported(stored, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()

    assert {"what": "evidence", "command": "lab run old new -s nfqueue --evidence"} in report["lacks"]
    assert "lab run old new -s nfqueue --evidence" in page
    assert 'class="timeline"' not in page
    assert report["twins"]["exhibits"][0]["tools"]["hook"]
    assert report["twins"]["exhibits"][0]["not_there"]["client.strace"] == "there is no client.strace"


@pytest.mark.parametrize(
    ("names", "what", "command"),
    [
        (("old-nfqueue",), "other", "lab up new && lab run old new -s nfqueue --evidence"),
        (("new-nfqueue",), "drop", "lab up old && lab run old new -s nfqueue --evidence"),
        (("old-baseline",), "race", "lab run old -s nfqueue --evidence"),
    ],
)
def test_other_missing_data_is_reported(tmp_path: Path, names: tuple[str, ...], what: str, command: str) -> None:
    """The report has the exact command for copying."""
    stored = stored_runs.at(tmp_path / "lab")
    stored.run(names)

    assert {"what": what, "command": command} in reported(stored, tmp_path / "report.html")["lacks"]


def test_a_sweep_becomes_a_curve_and_no_table_row(tmp_path: Path) -> None:
    """Its settings do not count as scenarios of a run beside it."""
    stored = stored_runs.at(tmp_path / "lab")
    run, sweep = stored.run(("old-nfqueue", "new-nfqueue")), stored.sweep()
    report = reported(stored, tmp_path / "report.html", run.id, sweep.id)

    assert [(point["hold_s"], point["armed"]["count"], point["stalled"]["count"]) for point in report["dial"]] == [
        (0.0, 0, 0),
        (0.005, 1, 1),
    ]
    assert list(report["scenarios"]) == ["nfqueue"]
    assert [run["run"] for run in report["runs"]] == [sweep.id, run.id]
    assert not [lack for lack in report["lacks"] if lack["what"] == "curve"]
    assert reported(stored, tmp_path / "alone.html", sweep.id)["dial"] == report["dial"]


def test_the_page_loads_nothing_and_allows_only_its_own_code(stored: Stored, tmp_path: Path) -> None:
    """Its policy forbids every load and names its style sheet and script by hash."""
    reported(stored, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)

    assert policy.startswith("default-src 'none'; ")
    for kind, text in re.findall(r"<(style|script)>(.*?)</\1>", page, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert len(re.findall("<style", page)) == len(re.findall("<script", page)) == 1
    assert not re.search(r"""<(link|img|iframe|object|embed)\b|\s(src|href|style|on\w+)=["']""", page)


def test_text_from_machines_is_never_markup(tmp_path: Path) -> None:
    """Raw evidence may come from untrusted machines."""
    stored = stored_runs.at(tmp_path / "lab")
    run = stored.run(("old-nfqueue", "new-nfqueue", "old-baseline"), change=stored_runs.hostile)
    stored.store.leave_out(run, "new", "baseline", HOSTILE)
    reported(stored, tmp_path / "report.html", run.id)
    page = (tmp_path / "report.html").read_text()

    assert "&lt;b onclick=1&gt;" in page
    assert "<b onclick" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert HOSTILE not in page


def test_without_a_browser_the_page_is_written_and_the_pdf_fails(stored: Stored, tmp_path: Path) -> None:
    """Exit status 3, with what to install."""
    result = lab(stored.home, "report", "-o", str(tmp_path / "report.html"), "--pdf", PATH=str(tmp_path))

    assert result.returncode == 3
    assert "no browser that prints is installed" in result.stderr
    assert (tmp_path / "report.html").exists()
    assert not (tmp_path / "report.pdf").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [([], "no run is stored yet"), (["nonsense"], "none is stored yet"), (["--language", "fr"], "'en', 'zh'")],
)
def test_a_report_of_nothing_is_bad_input(tmp_path: Path, arguments: list[str], named: str) -> None:
    """The error is one line, and no file is written."""
    result = lab(tmp_path, "report", *arguments, "-o", str(tmp_path / "report.html"))

    assert result.returncode == 2
    assert named in result.stderr
    assert not (tmp_path / "report.html").exists()


def test_a_page_is_not_written_to_a_pdf_name(stored: Stored, tmp_path: Path) -> None:
    """A user who types report.pdf means --pdf."""
    result = lab(stored.home, "report", "-o", str(tmp_path / "report.pdf"))

    assert result.returncode == 2
    assert f"try: -o {tmp_path / 'report.html'} --pdf" in result.stderr


def test_a_run_with_all_scenarios_skipped_has_a_page(tmp_path: Path) -> None:
    """The page states the reasons."""
    stored = stored_runs.at(tmp_path / "lab")
    run = stored.run(())
    empty = stored.store.begin({"old": stored_runs.MACHINES["old"]}, find.scenarios(SCENARIOS, ["nfqueue"]), 1)
    stored.store.leave_out(empty, "old", "nfqueue", "there is no nfqueue")
    report = reported(stored, tmp_path / "report.html", empty.id)

    assert run.id != empty.id
    assert report["twins"] is None
    assert "there is no nfqueue" in (tmp_path / "report.html").read_text()
