"""The parsers of raw files: any bytes in, a result or a clear error out."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.evidence import curl, hook, trial
from lab.evidence.errors import UnreadableError

EVIDENCE = Path(__file__).parents[1] / "evidence"
DMESG = (EVIDENCE / "3.10.0-123.el7" / "1" / "dmesg").read_text()
TIMINGS = (EVIDENCE / "3.10.0-123.el7" / "1" / "curl.json").read_text()


def test_the_hooks_lines_are_read_in_full() -> None:
    """Addresses, ports, pointers and DNS id of a real line arrive as they are."""
    packets = hook.parse(DMESG)

    assert len(packets) == 4
    assert packets[0] == hook.Packet(
        15.461325, hook.Flow("10.10.10.89", 48758, "10.10.10.53", 53), 0xFFFF88003F571600, 0xFFFF88003F572000, 17086
    )
    assert [packet.ct for packet in packets].count(0xFFFF88003F572138) == 1


def test_an_untracked_packet_has_no_conntrack() -> None:
    """A null pointer in the log is no conntrack, not conntrack number zero."""
    line = "[    1.000000] [nfqdns] 10.0.0.1:4->10.0.0.2:53 skb ffff88003f571600 ct 0000000000000000 tid -"

    assert hook.parse(line)[0].ct is None
    assert hook.parse(line)[0].dns_id is None


def test_a_damaged_line_of_the_hook_is_an_error_and_not_left_out() -> None:
    """A packet that is left out could turn an armed race into an unarmed one."""
    with pytest.raises(UnreadableError, match="hook's line"):
        hook.parse(DMESG.replace("ct ffff88003f572138", "ct ffff88003f57zzzz"))


@pytest.mark.parametrize("bad", ['{"time_namelookup": NaN', "[]", '{"time_namelookup": -1}', "", '"x"', "{}", "1e999"])
def test_damaged_timings_are_an_error(bad: str) -> None:
    """A wrong number would be worse than none."""
    with pytest.raises(UnreadableError):
        curl.parse(bad, "0")


def test_curls_exit_status_comes_from_either_place() -> None:
    """Newer curls say it themselves; for older ones the guest writes it down."""
    assert curl.parse(TIMINGS, None).exit_status == 0
    assert curl.parse(TIMINGS, "28\n").exit_status == 28


@given(st.text())
def test_any_text_as_the_hooks_log_gives_packets_or_a_clear_error(text: str) -> None:
    """No input crashes the parser."""
    try:
        packets = hook.parse(text)
    except UnreadableError:
        return
    assert all(0 <= packet.flow.sport <= 0xFFFF for packet in packets)


@given(st.text(), st.one_of(st.none(), st.text()))
def test_any_text_as_curls_timings_gives_a_transfer_or_a_clear_error(timings: str, status: str | None) -> None:
    """No input crashes the parser."""
    try:
        transfer = curl.parse(timings, status)
    except UnreadableError:
        return
    assert math.isfinite(transfer.lookup_s)


@given(data=st.data())
def test_real_evidence_with_bytes_changed_never_gives_a_wrong_pointer(data: st.DataObject) -> None:
    """Whatever is still read is read from a line that has the hook's form."""
    position = data.draw(st.integers(0, len(DMESG) - 1))
    damaged = DMESG[:position] + data.draw(st.characters()) + DMESG[position + 1 :]
    try:
        packets = hook.parse(damaged)
    except UnreadableError:
        return
    assert all(f"ct {packet.ct:016x}" in damaged for packet in packets if packet.ct is not None)


def test_a_trial_directory_full_of_garbage_is_still_read(tmp_path: Path) -> None:
    """Reading never raises: each source says what is wrong with it."""
    (tmp_path / "curl.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "dmesg").mkdir()

    evidence = trial.read(tmp_path)

    assert evidence.transfer.problem
    assert evidence.queued.problem
