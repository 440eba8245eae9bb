"""Queries of other programs are no evidence of a trial, though the hook and the trace see them."""

from __future__ import annotations

import re
import shutil
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.catalogue import find
from lab.evidence import kernel, lane, trace, trial
from lab.evidence.errors import UnreadableError
from lab.foundation.home import SCENARIOS
from lab.judgement import verdict
from lab.judgement.outcome import Outcome, Verdict

RECORDED = Path(__file__).parents[1] / "evidence" / "replicas" / "old-nfqueue"

ADDRESSES = (
    "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever\n"
    "3: lane    inet 10.10.10.89/24 brd 10.10.10.255 scope global lane\\       valid_lft forever\n"
)

LANE, STRANGER = "10.10.10.89", "10.0.2.15"

STRANGERS_LINE = (
    "[ 1450.000000] [nfqdns] 10.0.2.15:39000->10.0.2.3:53 skb ff130011eef20000 ct ff130011c2a50000 tid 4660 "
    "at 1450.040000000\n"
)


def number(address: str) -> int:
    """Return an address as a little-endian machine reads it from a header."""
    return int(struct.unpack("<I", bytes(map(int, address.split("."))))[0])


def strangers_events(saddr: str) -> str:
    """Return trace events of a foreign query at confirm, its return and transmit: port 39000, id 4660."""
    of = f"skb=18380034581252400000 ct=18380034580509190016 proto=17{saddr} sport=22680 dport=13568 dns=13330"
    return (
        f"         getent-9999    [000] .....  1450.041000: confirming: (__nf_conntrack_confirm+0x0/0x7f0) {of}\n"
        "         getent-9999    [000] .....  1450.041100: confirm: (nf_confirm+0x1 <- __nf_conntrack_confirm) ret=1\n"
        f"         getent-9999    [000] .....  1450.041200: xmit: (veth_xmit+0x0/0x250 [veth]) {of}\n"
    )


@pytest.fixture
def beside_a_stranger(tmp_path: Path) -> Path:
    """Return a recorded trial with a query of the machine itself in it, and addresses in the trace."""
    directory = tmp_path / "trial"
    shutil.copytree(RECORDED, directory)
    with (directory / "dmesg").open("a") as log:
        log.write(STRANGERS_LINE)
    recorded = (RECORDED / "trace").read_text()
    with_addresses = re.sub(r" proto=(\d+) ", lambda match: f" proto={match[1]} saddr={number(LANE)} ", recorded)
    marks = [line for line in with_addresses.splitlines(keepends=True) if "lab-mark" in line]
    strange = strangers_events(f" saddr={number(STRANGER)}")
    (directory / "trace").write_text(with_addresses.replace(marks[-1], strange + marks[-1]))
    return directory


def judged(directory: Path) -> Verdict:
    """Judge a trial of the scenario `nfqueue`."""
    (scenario,) = find.scenarios(SCENARIOS, ["nfqueue"])
    return verdict.judge(trial.read(directory), scenario)


def test_a_query_of_the_machine_itself_does_not_change_a_verdict(beside_a_stranger: Path) -> None:
    """It made a stalled trial contradictory: the hook queued it, and the verdict program never saw it."""
    before = judged(RECORDED)
    assert judged(beside_a_stranger).outcome is Outcome.CONTRADICTORY

    (beside_a_stranger / "addresses").write_text(ADDRESSES)

    judgement = judged(beside_a_stranger)
    assert (judgement.outcome, judgement.reason) == (before.outcome, before.reason) == (Outcome.STALLED, before.reason)
    assert [line.dns_id for line in judgement.lifelines] == [line.dns_id for line in before.lifelines]


def test_excluded_queries_are_counted_per_source(beside_a_stranger: Path) -> None:
    """A query that passed several kernel functions counts once."""
    (beside_a_stranger / "addresses").write_text(ADDRESSES)

    evidence = trial.read(beside_a_stranger)

    assert evidence.strangers == {"dmesg": 1, "trace": 1}
    assert trial.read(RECORDED).strangers == {}


def test_a_translated_query_of_the_lane_is_not_excluded() -> None:
    """On the way to an outside resolver it has the machine's address instead of the lane's."""
    own_event = strangers_events(f" saddr={number(LANE)}").splitlines()[2]
    mapped = strangers_events(f" saddr={number(STRANGER)}").splitlines()[0]
    other = mapped.replace("dns=13330", "dns=13331")

    own = lane.select_lane(frozenset({LANE}), None, trace.parse(f"{own_event}\n{mapped}\n{other}"), None)

    assert own.traced is not None
    assert len(own.traced.events) == 1
    assert own.strangers == {"trace": 1}


def test_a_query_of_the_lane_that_one_source_lacks_is_still_a_contradiction(beside_a_stranger: Path) -> None:
    """The address alone decides, so no query of the lane is excluded."""
    (beside_a_stranger / "addresses").write_text(ADDRESSES)
    log = (beside_a_stranger / "dmesg").read_text()
    (beside_a_stranger / "dmesg").write_text(log.replace(f"{STRANGER}:", f"{LANE}:"))

    assert judged(beside_a_stranger).outcome is Outcome.CONTRADICTORY


def test_events_without_an_address_are_kept() -> None:
    """Older recorded traces have no addresses; marks and returns never do."""
    traced = trace.parse((RECORDED / "trace").read_text())

    own = lane.select_lane(frozenset({"192.0.2.1"}), None, traced, None)

    assert own.traced == traced
    assert own.strangers == {}


@pytest.mark.parametrize(("asks", "remaining"), [("10.10.10.89", 0), ("127.0.0.1", 1)])
def test_loopback_queries_belong_to_the_lane_only_if_it_uses_them(tmp_path: Path, asks: str, remaining: int) -> None:
    """Every namespace has a loopback: a cache of the machine on 127.0.0.53 is not the lane's."""
    line = STRANGERS_LINE.replace(STRANGER, "127.0.0.1").replace("10.0.2.3", "127.0.0.53")
    (tmp_path / "dmesg").write_text(line)
    (tmp_path / "addresses").write_text(ADDRESSES)
    recorded = (RECORDED / "verdict.jsonl").read_text()
    (tmp_path / "verdict.jsonl").write_text(recorded.replace("10.10.10.89", asks))

    evidence = trial.read(tmp_path)

    assert len(evidence.queued.value or ()) == remaining
    assert evidence.strangers == ({} if remaining else {"dmesg": 1})


def test_traced_addresses_are_in_network_byte_order() -> None:
    """A little-endian machine recorded them."""
    line = (
        "curl-846 [001] d... 94.638710: queued: (nfqnl_enqueue_packet+0x0/0x360) skb=0x1 ct=0x0 proto=17 "
        "saddr=1494878730 sport=58638 dport=13568 dns=51471"
    )
    (event,) = trace.parse(line).events

    assert kernel.source_of(event) == "10.10.26.89"


@given(st.text(max_size=200))
def test_any_address_output_is_parsed_or_refused(text: str) -> None:
    """A machine may print anything."""
    try:
        addresses = lane.parse(text)
    except UnreadableError:
        return
    assert all(0 <= int(part) <= 255 for address in addresses for part in address.split("."))


def test_a_lane_without_an_address_excludes_nothing() -> None:
    """Otherwise everything would be excluded."""
    with pytest.raises(UnreadableError, match="no address"):
        lane.parse("")
    with pytest.raises(UnreadableError, match="cannot parse"):
        lane.parse("1: lo inet 999.0.0.1/8 scope host lo")
