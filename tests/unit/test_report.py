"""What a report is made of: the raw lines behind it, the time it folds, what it lacks, and the page itself."""

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

from lab import verdict
from lab.catalogue import find
from lab.commands import folding
from lab.evidence import trial
from lab.evidence.quotes import Quotes
from lab.home import SCENARIOS
from lab.report.page.scale import Scale
from lab.report.page.timeline import lane_x, pictures
from lab.report.page.view import View
from tests import stored_runs
from tests.command_line import lab
from tests.stored_runs import HOSTILE, Stored
from tests.unit.test_recorded_evidence import REPLICAS


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """Give a lab with one run of all recorded trials."""
    stored = stored_runs.at(tmp_path_factory.mktemp("lab"))
    run = stored.run(stored_runs.ALL)
    stored.store.leave_out(run, "today", "nfqueue-musl", HOSTILE)
    return stored


@pytest.fixture(scope="module")
def document(stored: Stored, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Give the JSON of a report of it."""
    return reported(stored, tmp_path_factory.mktemp("out") / "report.html")


def reported(stored: Stored, output: Path, *arguments: str) -> dict[str, Any]:
    """Make a report and give its JSON."""
    done = lab(stored.home, "report", *arguments, "-o", str(output), "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def big_endian(dns_id: int) -> int:
    """Give an id as the kernel's trace prints it on a little-endian machine."""
    return (dns_id & 0xFF) << 8 | dns_id >> 8


@pytest.mark.parametrize("name", REPLICAS)
def test_every_point_of_a_recorded_trial_rests_on_a_line_that_tells_of_that_query(name: str) -> None:
    """A quote of another query's line would be a forged proof."""
    (scenario,) = find.scenarios(SCENARIOS, [REPLICAS[name]["scenario"]])
    directory = stored_runs.RECORDED / name
    quotes = Quotes(directory)
    told = 0
    for line in verdict.judge(trial.read(directory), scenario).lifelines:
        marks = {
            "dmesg": f"tid {line.dns_id} ",
            "verdict.jsonl": f'"dns_id":{line.dns_id},',
            "trace": f"dns={big_endian(line.dns_id)}",
            "client.pcap": f": {line.dns_id} ",
            "server.pcap": f": {line.dns_id} ",
            "dnsmasq.log": f"/{line.sport} query[{line.qtype}]",
        }
        for point in line.points:
            assert {source for source, _ in point.lines} == set(point.seen_by), point.stage
            for source, number in point.lines:
                quote = quotes.get(source, number)
                assert quote is not None
                told += 1
                if source in marks and "confirm: " not in quote.text and "clash: " not in quote.text:
                    assert marks[source] in quote.text, (source, point.stage)
    assert told >= 8  # over TCP, and of a cache, little is seen


def test_a_line_that_is_not_there_is_no_quote(tmp_path: Path) -> None:
    """Nor is anything of a file that cannot be read."""
    (tmp_path / "dmesg").write_text("one\n")
    (tmp_path / "client.pcap").write_bytes(b"no capture")
    quotes = Quotes(tmp_path)

    assert quotes.get("dmesg", 1) is not None
    assert quotes.get("dmesg", 9) is None
    assert quotes.get("client.pcap", 1) is None
    assert quotes.get("trace", 1) is None


@given(st.lists(st.floats(0, 100, allow_nan=False), max_size=30))
def test_what_is_folded_is_quiet_and_what_is_not_is_kept(moments_s: list[float]) -> None:
    """No moment lies inside of a fold, and no longer silence stays open than the shortest that is folded."""
    folds = folding.folds(moments_s)

    for fold in folds:
        assert not [moment for moment in moments_s if fold.from_s < moment < fold.until_s]
        assert fold.from_s in moments_s
        assert fold.until_s in moments_s
    assert all(fold.lasts_s > min(folding.QUIET_S) for fold in folds)


@given(st.lists(st.floats(0, 20, allow_nan=False), min_size=2, max_size=30, unique=True))
def test_time_is_to_scale_but_for_the_folds(moments_s: list[float]) -> None:
    """Later is lower, and equal times are equally long wherever nothing is folded between them."""
    ordered = sorted(moments_s)
    folds = [(fold.from_s, fold.until_s) for fold in folding.folds(ordered)]
    scale = Scale(ordered[0], ordered[-1], folds, 10.0)

    for before, after in itertools.pairwise(ordered):
        assert scale.y(before) <= scale.y(after)
        if (before, after) not in folds:
            assert scale.y(after) - scale.y(before) == pytest.approx((after - before) * scale.px_a_second, abs=1e-6)
    assert len(scale.breaks) == len(folds)


def test_the_timeline_tells_the_eras_apart(document: dict[str, Any]) -> None:
    """The second query ends at confirm in era drop; in the others it arrives, with the first one's conntrack."""
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
    """Both are of that trial's own evidence."""
    (old,) = [shown for shown in document["twins"]["exhibits"] if shown["machine"] == "old"]
    (wait,) = old["waits"]

    assert 4.5 < wait["lasts_s"] < 6
    assert any(fold["lasts_s"] > 4.5 for fold in document["twins"]["folds"])
    assert [line for line in old["tools"]["strace"] if line["telling"] and "poll" in line["text"]]


def test_each_tools_telling_lines_are_marked(document: dict[str, Any]) -> None:
    """The clash and what confirm returned; nothing of the kind where the kernel looks the flow up again."""
    telling = {
        shown["machine"]: [line["text"] for line in shown["tools"]["trace"] if line["telling"]]
        for shown in document["twins"]["exhibits"]
    }

    assert [text.rpartition(" ")[2] for text in telling["old"]] == ["ret=0", "ret=0"]
    assert [text.rpartition(" ")[2] for text in telling["new"]] == ["ret=1", "ret=1"]
    assert telling["today"] == []
    hook = document["twins"]["exhibits"][0]["tools"]["hook"]
    assert [line["conntrack"] for line in hook] == [0, 1, 0, 0]


def test_the_report_has_the_figures_of_the_comparison(stored: Stored, document: dict[str, Any]) -> None:
    """Two ways to the same stored run give the same cells."""
    compared = json.loads(lab(stored.home, "compare", "--json").stdout)

    for name in ("machines", "cells", "differences", "left_out"):
        assert document[name] == compared[name]
    (old,) = [answer for answer in document["answers"] if answer["machine"] == "old"]
    arms = [cell for cell in compared["cells"] if cell["machine"] == "old" and cell["arms"]]
    assert old["stalled"] == sum(cell["stalled"] for cell in arms) == 10
    assert old["armed"] == sum(cell["counted"] for cell in arms)


def test_the_counters_are_those_of_the_raw_files(document: dict[str, Any]) -> None:
    """Before and after, read off by eye."""
    old = document["twins"]["exhibits"][0]["counters"]

    assert {"name": "insert_failed", "before": 3, "after": 4, "rose": 1} in old


def test_a_run_without_evidence_says_what_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    """The hook's log is there all the same, as every trial leaves it."""
    stored = stored_runs.at(tmp_path / "lab")
    stored.run(("old-nfqueue", "new-nfqueue"), evidence=False)
    said = reported(stored, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()

    assert {"what": "evidence", "command": "lab run old new -s nfqueue --evidence"} in said["lacks"]
    assert "lab run old new -s nfqueue --evidence" in page
    assert 'class="timeline"' not in page
    assert said["twins"]["exhibits"][0]["tools"]["hook"]
    assert said["twins"]["exhibits"][0]["not_there"]["client.strace"] == "there is no client.strace"


@pytest.mark.parametrize(
    ("names", "what", "command"),
    [
        (("old-nfqueue",), "other", "lab up new && lab run old new -s nfqueue --evidence"),
        (("new-nfqueue",), "drop", "lab up old && lab run old new -s nfqueue --evidence"),
        (("old-baseline",), "race", "lab run old -s nfqueue --evidence"),
    ],
)
def test_what_else_is_missing_is_said_too(tmp_path: Path, names: tuple[str, ...], what: str, command: str) -> None:
    """With the very command, to be copied."""
    stored = stored_runs.at(tmp_path / "lab")
    stored.run(names)

    assert {"what": what, "command": command} in reported(stored, tmp_path / "report.html")["lacks"]


def test_a_sweep_becomes_a_curve_and_no_row(tmp_path: Path) -> None:
    """Given beside a run; the dial's settings are no scenarios of that."""
    stored = stored_runs.at(tmp_path / "lab")
    run, sweep = stored.run(("old-nfqueue", "new-nfqueue")), stored.sweep()
    said = reported(stored, tmp_path / "report.html", run.id, sweep.id)

    assert [(point["hold_s"], point["armed"]["count"], point["stalled"]["count"]) for point in said["dial"]] == [
        (0.0, 0, 0),
        (0.005, 1, 1),
    ]
    assert list(said["scenarios"]) == ["nfqueue"]
    assert [run["run"] for run in said["runs"]] == [sweep.id, run.id]
    assert not [lack for lack in said["lacks"] if lack["what"] == "curve"]
    assert reported(stored, tmp_path / "alone.html", sweep.id)["dial"] == said["dial"]


def test_the_page_loads_nothing_and_admits_nothing_but_its_own(stored: Stored, tmp_path: Path) -> None:
    """Its policy forbids every load, and names the one style sheet and the one script by their hashes."""
    reported(stored, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)

    assert policy.startswith("default-src 'none'; ")
    for kind, text in re.findall(r"<(style|script)>(.*?)</\1>", page, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert len(re.findall("<style", page)) == len(re.findall("<script", page)) == 1
    assert not re.search(r"""<(link|img|iframe|object|embed)\b|\s(src|href|style|on\w+)=["']""", page)


def test_what_a_machine_says_is_never_markup(tmp_path: Path) -> None:
    """Raw evidence comes from machines that are not to be trusted."""
    stored = stored_runs.at(tmp_path / "lab")
    run = stored.run(("old-nfqueue", "new-nfqueue", "old-baseline"), change=stored_runs.hostile)
    stored.store.leave_out(run, "new", "baseline", HOSTILE)
    reported(stored, tmp_path / "report.html", run.id)
    page = (tmp_path / "report.html").read_text()

    assert "&lt;b onclick=1&gt;" in page
    assert "<b onclick" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert HOSTILE not in page


def test_without_a_browser_the_page_is_there_and_the_pdf_is_asked_for_in_vain(stored: Stored, tmp_path: Path) -> None:
    """Exit status 3, with what to install."""
    done = lab(stored.home, "report", "-o", str(tmp_path / "report.html"), "--pdf", PATH=str(tmp_path))

    assert done.returncode == 3
    assert "no browser that prints is installed" in done.stderr
    assert (tmp_path / "report.html").exists()
    assert not (tmp_path / "report.pdf").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [([], "no run is stored yet"), (["nonsense"], "none is stored yet"), (["--language", "fr"], "'en', 'zh'")],
)
def test_a_report_of_nothing_is_bad_input(tmp_path: Path, arguments: list[str], named: str) -> None:
    """One line, and no file."""
    done = lab(tmp_path, "report", *arguments, "-o", str(tmp_path / "report.html"))

    assert done.returncode == 2
    assert named in done.stderr
    assert not (tmp_path / "report.html").exists()


def test_a_page_is_not_written_where_a_pdf_would_be(stored: Stored, tmp_path: Path) -> None:
    """Who asks for report.pdf means --pdf."""
    done = lab(stored.home, "report", "-o", str(tmp_path / "report.pdf"))

    assert done.returncode == 2
    assert f"try: -o {tmp_path / 'report.html'} --pdf" in done.stderr


def test_a_run_in_which_everything_was_left_out_has_a_page_too(tmp_path: Path) -> None:
    """It says so, and fails at nothing."""
    stored = stored_runs.at(tmp_path / "lab")
    run = stored.run(())
    empty = stored.store.begin({"old": stored_runs.MACHINES["old"]}, find.scenarios(SCENARIOS, ["nfqueue"]), 1)
    stored.store.leave_out(empty, "old", "nfqueue", "there is no nfqueue")
    said = reported(stored, tmp_path / "report.html", empty.id)

    assert run.id != empty.id
    assert said["twins"] is None
    assert "there is no nfqueue" in (tmp_path / "report.html").read_text()
