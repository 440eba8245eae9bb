"""What systemtap traced, in the form in which provision/stap/confirm.stp prints it."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import verdict
from lab.catalogue import find
from lab.evidence import stap, trial
from lab.evidence.errors import UnreadableError
from lab.home import SCENARIOS
from lab.lifeline import Status
from lab.sightings import Stage

EVIDENCE = Path(__file__).parents[1] / "evidence"

PACKET = "10.10.10.89:48758->10.10.10.53:53 id 46936 ct 0xffff88003f572138 ctinfo 2"
TAPPED = f"""ready
1795447503.000001 is no line of its own
1795447503100000 confirm {PACKET}
1795447503100050 returned 0 {PACKET}
"""


def test_a_return_is_read_with_its_packet() -> None:
    """The query, its conntrack, and what confirm made of it."""
    (found,) = stap.parse(TAPPED.replace("1795447503.000001 is no line of its own\n", ""))

    assert (found.returned, found.dns_id, found.flow.sport, found.ct) == (0, 46936, 48758, 0xFFFF88003F572138)
    assert found.time_s == pytest.approx(1795447503.10005)


def test_a_line_that_is_not_the_scripts_is_an_error_and_one_that_was_cut_off_is_left_out() -> None:
    """A return that is passed over could be the lost packet's."""
    with pytest.raises(UnreadableError, match="no line of its own"):
        stap.parse(TAPPED)
    assert stap.parse(f"ready\n1795447503100050 returned 0 {PACKET[:-12]}") == ()


@given(st.text() | st.just(TAPPED).map(lambda text: text[::-1]))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Never a crash."""
    with contextlib.suppress(UnreadableError):
        stap.parse(text)


def test_systemtap_tells_the_loss_where_the_kernel_has_no_trace_of_its_own(tmp_path: Path) -> None:
    """The article's own way: confirm's return is known by systemtap alone."""
    shutil.copytree(EVIDENCE / "3.10.0-123.el7" / "1", tmp_path, dirs_exist_ok=True)
    (tmp_path / "trace").unlink()
    (tmp_path / "stap.out").write_text(f"ready\n1795447503500000 returned 0 {PACKET}\n")
    found = verdict.judge(trial.read(tmp_path), find.scenarios(SCENARIOS, ["nfqueue"])[0])
    (lost,) = [line for line in found.lifelines if line.lost_at]
    confirmed = next(point for point in lost.points if point.stage is Stage.CONFIRM)

    assert (found.outcome, lost.qtype, lost.lost_at) == ("stalled", "AAAA", Stage.CONFIRM)
    assert (confirmed.status, confirmed.seen_by) == (Status.DROPPED, ("stap.out",))
