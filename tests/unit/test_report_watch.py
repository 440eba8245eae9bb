"""`lab report --watch`: stalls that `lab watch --save` has stored, on a page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lab.commands.watch import saver
from lab.commands.watch_saved import read_saved
from lab.diagnosis.causes import Cause
from lab.diagnosis.conclusion import Answer
from lab.foundation.errors import BadInput
from lab.watch.result import StallSeen
from lab.watch.watcher import Watcher
from tests import stored_runs
from tests.command_line import lab
from tests.stored_runs import Stored
from tests.unit.test_watch_trace import DROP, clash, confirm
from tests.watch_lines import A, Lines, ns, watch


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """Return a lab with one run."""
    stored = stored_runs.at(tmp_path_factory.mktemp("lab"))
    stored.run(stored_runs.ALL)
    return stored


def saved(directory: Path, *, traces: bool) -> list[StallSeen]:
    """Store the stalls of a watch: a clash, a dead server, and a socket of which no packet was captured."""
    lines = Lines()
    for number, name in enumerate(("shop", "<b>bank</b>", "mail")):
        lines.namespace(number, comm=name)
    lines.counters(0.9, 0)
    lines.counters(1.9, 0, insert_failed=1, drop=1)
    clash(lines, 0)
    lines.add(1.6, confirm(1.5, DROP, 8))
    for time_s in (1.5, 6.5):
        lines.query(time_s, 1, 9, A, port=50000, name="other.lab.test", answered_s=None)
    for second in (3.0, 4.0, 5.0):
        lines.add(second, f"s 2 {ns(second)} {ns(2.0)} 41000 5 3500000A 99 {b'postfix'.hex()} -")
    _, stalls = watch(lines.until(20), Watcher(save=saver(directory), traces=traces))
    return stalls


@pytest.mark.parametrize("traces", [True, False])
def test_stored_stalls_are_judged_as_the_watch_judged_them(tmp_path: Path, *, traces: bool) -> None:
    """By their files alone: the answer, the cause, the wait, the name, and what confirm dropped."""
    stalls = saved(tmp_path, traces=traces)
    read = read_saved(tmp_path)
    by_path = {stall.saved: stall for stall in stalls}

    assert {each.answer for each in read} >= {Answer.THIS_BUG, Answer.ANOTHER_CAUSE}
    assert {Cause.CLASH, Cause.NO_ANSWER} <= {each.cause for each in read}
    assert len(read) == len(stalls) == 3
    for each in read:
        seen = by_path[Path(each.directory)]
        assert (each.answer, each.cause, each.certain, each.says) == (seen.answer, seen.cause, seen.certain, seen.says)
        assert (each.dropped_at_confirm or 0) == (seen.dropped_at_confirm or 0)
        assert each.name == seen.name
        assert each.waited_s == pytest.approx(seen.waited_s, abs=2.1)


def test_a_report_has_the_stalls_in_its_page_and_in_its_json(stored: Stored, tmp_path: Path) -> None:
    """In both languages; names from the machine are text, not HTML."""
    saved(tmp_path / "stalls", traces=True)
    output = tmp_path / "report.html"
    done = lab(stored.home, "report", "--watch", str(tmp_path / "stalls"), "-o", str(output), "--json", "--quiet")
    document, page = json.loads(done.stdout), output.read_text()

    assert done.returncode == 0, done.stderr
    assert [stall["dropped_at_confirm"] for stall in document["stalls"] if stall["answer"] == "this bug"] == [1]
    assert page.count('data-section="stalls"') == 2
    assert page.count("other.lab.test</code>") == 2
    assert "<b>bank" not in page
    for pointer, value in re.findall(r'value="([^"]*)" data-at="/stalls/(\d+)/waited_s"', page):
        assert document["stalls"][int(value)]["waited_s"] == json.loads(pointer)
    text = lab(stored.home, "report", "--watch", str(tmp_path / "stalls"), "-o", str(output), "--quiet").stdout
    assert "stalls that lab watch has stored: 3; by this bug: 1" in text


def test_a_report_without_a_watch_has_no_such_section(stored: Stored, tmp_path: Path) -> None:
    """Nor an empty table."""
    output = tmp_path / "report.html"
    done = lab(stored.home, "report", "-o", str(output), "--json", "--quiet")

    assert json.loads(done.stdout)["stalls"] == []
    assert 'data-section="stalls"' not in output.read_text()


def test_a_directory_without_stalls_is_refused_by_name(stored: Stored, tmp_path: Path) -> None:
    """Exit status 2, and what stores some."""
    (tmp_path / "other").mkdir()
    done = lab(stored.home, "report", "--watch", str(tmp_path), "-o", str(tmp_path / "report.html"))

    assert done.returncode == 2
    assert str(tmp_path) in done.stderr
    assert "--save" in done.stderr
    with pytest.raises(BadInput, match="none"):
        read_saved(tmp_path / "none")


def test_a_damaged_stall_is_on_the_page_without_a_cause(tmp_path: Path) -> None:
    """Its files may be cut off."""
    saved(tmp_path, traces=True)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:40])
    (tmp_path / "20261129T120000Z-0009-empty").mkdir()

    assert {each.answer for each in read_saved(tmp_path)} <= {Answer.CANNOT_TELL, Answer.ANOTHER_CAUSE}
    assert read_saved(tmp_path)[0].answer is Answer.CANNOT_TELL


def test_a_lab_without_any_run_has_a_page_of_stalls_alone(tmp_path: Path) -> None:
    """Of a server that was only watched."""
    saved(tmp_path / "stalls", traces=True)
    output = tmp_path / "report.html"
    done = lab(tmp_path / "lab", "report", "--watch", str(tmp_path / "stalls"), "-o", str(output), "--json", "--quiet")

    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["stalls"]) == 3
    assert output.read_text().count("other.lab.test</code>") == 2
    assert 'data-section="times"' not in output.read_text()
