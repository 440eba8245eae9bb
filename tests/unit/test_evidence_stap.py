"""The parser of systemtap output in the format of provision/stap/confirm.stp."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.catalogue import find
from lab.evidence import stap, trial
from lab.evidence.errors import UnreadableError
from lab.foundation.home import SCENARIOS
from lab.judgement import verdict
from lab.judgement.lifeline import Status
from lab.judgement.sightings import Stage

EVIDENCE = Path(__file__).parents[1] / "evidence"

PACKET = "10.10.10.89:48758->10.10.10.53:53 id 46936 ct 0xffff88003f572138 ctinfo 2"
TAPPED = f"""ready
1795447503.000001 is a foreign line
1795447503100000 confirm {PACKET}
1795447503100050 returned 0 {PACKET}
"""


def test_a_return_is_read_with_its_packet() -> None:
    """The event has the query, its conntrack and confirm's return value."""
    (event,) = stap.parse(TAPPED.replace("1795447503.000001 is a foreign line\n", ""))

    assert (event.returned, event.dns_id, event.flow.sport, event.ct) == (
        0,
        46936,
        48758,
        0xFFFF88003F572138,
    )
    assert event.time_s == pytest.approx(1795447503.10005)


def test_a_foreign_line_is_an_error_and_a_truncated_one_is_left_out() -> None:
    """A skipped return could be the lost packet's."""
    with pytest.raises(UnreadableError, match="a foreign line"):
        stap.parse(TAPPED)
    assert stap.parse(f"ready\n1795447503100050 returned 0 {PACKET[:-12]}") == ()


@given(st.text() | st.just(TAPPED).map(lambda text: text[::-1]))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No input crashes the parser."""
    with contextlib.suppress(UnreadableError):
        stap.parse(text)


def test_systemtap_shows_the_loss_without_a_kernel_trace(tmp_path: Path) -> None:
    """As in the article, confirm's return value is known from systemtap alone."""
    shutil.copytree(EVIDENCE / "3.10.0-123.el7" / "1", tmp_path, dirs_exist_ok=True)
    (tmp_path / "trace").unlink()
    (tmp_path / "stap.out").write_text(f"ready\n1795447503500000 returned 0 {PACKET}\n")
    judgement = verdict.judge(trial.read(tmp_path), find.scenarios(SCENARIOS, ["nfqueue"])[0])
    (lost,) = [line for line in judgement.lifelines if line.lost_at]
    confirmed = next(point for point in lost.points if point.stage is Stage.CONFIRM)

    assert (judgement.outcome, lost.qtype, lost.lost_at) == ("stalled", "AAAA", Stage.CONFIRM)
    assert (confirmed.status, confirmed.seen_by) == (Status.DROPPED, ("stap.out",))
