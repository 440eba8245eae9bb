"""Traces of confirm and of dropped packets that users bring."""

from __future__ import annotations

import pytest

from lab.diagnosis.material import Confirms, Drops, Traced
from tests.unit.brought_lines import CONFIRM, FLOW, FREED, PWRU, RETURN, STALLED, read


def test_a_return_value_is_certain_only_if_entries_and_returns_alternate() -> None:
    """With several processors another packet's return may be in between."""
    turns = read(CONFIRM.format(1) + RETURN.format(1) + CONFIRM.format(2) + RETURN.format(0))
    mixed = read(CONFIRM.format(1) + CONFIRM.format(2) + RETURN.format(1) + RETURN.format(0))
    others = read(RETURN.format(1) + CONFIRM.format(2) + RETURN.format(0))
    cut = read(CONFIRM.format(1) + RETURN.format(1) + CONFIRM.format(2))

    assert isinstance(turns, Confirms)
    assert [(it.dns_id, it.returned, it.sure, it.returned_line) for it in turns.returns] == [
        (1, 1, True, 2),
        (2, 0, True, 4),
    ]
    for parsed in (mixed, others):
        assert isinstance(parsed, Confirms)
        assert not any(each.sure for each in parsed.returns)
    assert isinstance(cut, Confirms)
    assert [each.returned for each in cut.returns] == [1, None]


def test_the_labs_own_traces_of_confirm_are_read() -> None:
    """provision/stap/confirm.stp and provision/bpftrace/confirm.bt."""
    stap = read(
        "1713869887123456 confirm 192.0.2.10:40001->198.51.100.53:53 id 7 ct 0xffff880000000a00 ctinfo 2\n"
        "1713869887123457 returned 0 192.0.2.10:40001->198.51.100.53:53 id 7 ct 0xffff880000000a00 ctinfo 2\n"
    )
    bpftrace = read("123456789 returned 0 port 40001 id 7 ct ffff880000000a00 -> ffff880000000a00\n")

    for parsed in (stap, bpftrace):
        assert isinstance(parsed, Confirms)
        assert [(it.sport, it.dns_id, it.returned, it.sure) for it in parsed.returns] == [(40001, 7, 0, True)]


OTHERWISE = "location: 0xffffffff8b, protocol: 2048, reason: NETFILTER_DROP"


@pytest.mark.parametrize(
    ("line", "tool"),
    [
        (f"curl  883 [001]   340.799805: skb:{FREED} reason: NETFILTER_DROP", "kfree_skb"),
        (f"            curl-883     [001]   340.799805: {FREED} reason: NETFILTER_DROP", "kfree_skb"),
        (f"            curl-883     [001] b..1.   340.799805: {FREED}", "kfree_skb"),
        (f"   340.799 curl/883 skb:kfree_skb(skbaddr: 0xffff88811f6a7068, {OTHERWISE})", "kfree_skb"),
        (PWRU, "pwru"),
        ("3 drops at nf_hook_slow+9a (0xffffffff81234567) [software]", "dropwatch"),
        ("drop at: nf_hook_slow+0x9a/0x100 (0xffffffffa1234567)", "dropwatch"),
        ("!    3us [-EPERM]         nf_hook_slow", "retsnoop"),
        ("@[nf_hook_slow+154]: 12", "bpftrace"),
    ],
)
def test_a_netfilter_drop_is_recognised_in_every_tools_output(line: str, tool: str) -> None:
    """No tool shows whether a rule or confirm dropped the packet."""
    parsed = read(line + "\n")

    assert isinstance(parsed, Drops)
    assert parsed.tool == tool
    assert all(drop.by_netfilter for drop in parsed.drops)


def test_a_drop_for_another_reason_is_not_attributed_to_netfilter() -> None:
    """Example: a full socket buffer."""
    parsed = read(
        "curl  883 [001]   340.799805: skb:kfree_skb: skbaddr=0xffff88811f6a7068 protocol=2048 "
        "location=udp_queue_rcv_one_skb+0x9a reason: SOCKET_RCVBUFF\n"
    )

    assert isinstance(parsed, Drops)
    assert not parsed.drops[0].by_netfilter


def test_pwru_output_gives_the_last_function_of_a_packet() -> None:
    """The drop's own function is named before the one that frees the packet."""
    parsed = read(f"0xffff936378692ce8 6 [curl] __nf_conntrack_confirm {FLOW}\n{PWRU}\n")

    assert isinstance(parsed, Drops)
    assert parsed.drops[0].where == "__nf_conntrack_confirm"
    assert parsed.drops[0].flow is not None
    assert (parsed.drops[0].flow.sport, parsed.drops[0].protocol) == (40001, "udp")


def test_a_trace_without_its_header_is_read() -> None:
    """Users copy only the relevant lines."""
    lines = [line for line in (STALLED / "trace").read_text().splitlines() if line and not line.startswith("#")]
    parsed = read("\n".join(lines[:5]) + "\n")

    assert isinstance(parsed, Traced)
    assert [event.line for event in parsed.trace.events] == [1, 2, 3, 4, 5]
