"""Parsers of small formats that users bring: counters, queues, entries, drops, logs, times."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.diagnosis.kinds import KINDS
from lab.diagnosis.material import (
    Capture,
    Citation,
    Confirms,
    Conntracks,
    Daemon,
    Disciplines,
    Drops,
    Log,
    Material,
    Options,
    Queues,
    Reading,
    Rules,
    Times,
    Traced,
    Unknown,
    Unread,
)
from lab.diagnosis.recognise import recognise
from lab.evidence import kernel_log, lookup_times
from lab.evidence.intake import segments, text

EVIDENCE = Path(__file__).parents[1] / "evidence"
STALLED = EVIDENCE / "3.10.0-123.el7" / "1"
FULL = "nf_conntrack: table full, dropping packet"


def read(content: str) -> Material:
    """Return the only result of parsing a text."""
    (parsed,) = recognise("text", content.encode())
    return parsed


@pytest.mark.parametrize(
    "line",
    [
        f"[38775.392631] {FULL}",
        f"[Tue Apr 23 10:58:07 2024] nf_conntrack: {FULL}",
        f"[mar. avril 23 10:58:07 2024] {FULL}",
        f"[Apr23 10:58] {FULL}",
        f"[  +0.000012] {FULL}",
        f"[    0.000012 <    0.000012>] {FULL}",
        f"[   12.500000][ T1234] {FULL}",
        f"<4>[   12.500000] {FULL}",
        f"kern  :warn  : [   12.500000] {FULL}",
        f"2024-04-23T10:58:07,123456+00:00 nf_conntrack: {FULL}",
        f"Apr 23 10:58:07 node1 kernel: {FULL}",
        f"Apr  3 10:58:07 node1 kernel: [38775.392631] {FULL}",
        f"Apr 23 10:58:07 kernel: {FULL}",
        f"\u043d\u043e\u044f\u0431 16 10:25:43 node1 kernel: {FULL}",
        f"11\u6708 16 10:25:43 node1 kernel: {FULL}",
        f"Tue 2024-04-23 10:58:07 UTC node1 kernel: {FULL}",
        f"2024-04-23T10:58:07+0200 node1 kernel: {FULL}",
        f"2024-04-23T10:58:07.123456+02:00 node1 kernel: {FULL}",
        f"2024-04-23 10:58:07.123456 node1 kernel: {FULL}",
        f"1713869887.123456 node1 kernel: {FULL}",
        f"[   12.500000] node1 kernel: {FULL}",
        f"[   12.500000 <    1.200000 >] node1 kernel: {FULL}",
        f"Mon Apr 23 10:58:07 2024 kern.warn kernel: [38775.392631] {FULL}",
        f"<4>Apr 23 10:58:07 node1 kernel: {FULL}",
        f"<4>1 2024-04-23T10:58:07.123Z node1 kernel - - - {FULL}",
        f"kernel: [169441.644132] {FULL}",
        f"/var/log/kern.log:12:Apr 23 10:58:07 node1 kernel: {FULL}",
        f"    MESSAGE={FULL}",
        f'        "MESSAGE" : "{FULL}",',
        json.dumps({"MESSAGE": FULL, "_TRANSPORT": "kernel", "__REALTIME_TIMESTAMP": "1713869887123456"}),
        json.dumps({"MESSAGE": list(FULL.encode()), "SYSLOG_IDENTIFIER": "kernel"}),
        FULL,
        "nf_conntrack: table full in netns 4026532281, dropping packet",
        "ip_conntrack: table full, dropping packet.",
        f"> {FULL}",
        f"\u00a0\u00a0{FULL}",
    ],
)
def test_table_full_is_recognised_in_every_log_format(line: str) -> None:
    """Dmesg and journalctl each have ten formats, some localised."""
    parsed = read(line + "\n")

    assert isinstance(parsed, Log)
    assert [(one.number, one.what) for one in parsed.log.matches] == [(1, kernel_log.TABLE_FULL)]


@pytest.mark.parametrize(
    "line",
    [
        f"Apr 23 10:58:07 node1 myapp[7]: {FULL}",
        "[38775.392631] nf_conntrack: expectation table full",
        "[38775.392631] nf_conntrack: nf_conntrack: table half full, dropping packet",
        "we see: nf_conntrack is fine, the table is not full",
    ],
)
def test_other_text_is_not_a_table_full_message(line: str) -> None:
    """A false cause would hide the real one."""
    parsed = recognise("text", (line + "\n").encode())

    assert not any(isinstance(each, Log) and each.log.matches for each in parsed)


def test_the_articles_hook_lines_are_parsed() -> None:
    """Readers of the article compile its module and have only its lines."""
    parsed = read(
        "[467402.634931] [nfqdns]: 10.10.10.89:56578->114.114.114.114:53 queued in [0], skb: ffff880067d15d00, "
        "ct: ffff8800905ead68, tid: 8725\n"
        "Dec 29 15:14:56 host kernel: [nfqdns]: 10.10.10.89:56578->114.114.114.114:53 queued in [0], "
        "skb: ffff880067d15c00, ct: ffff8800905ea750, tid: 5451\n"
        "[nfqdns]: 10.10.10.89:56578->114.114.114.114:53 queued in [0], skb: ffff880067d15c00, ct:           (null), "
        "tid: 5451\n"
    )

    assert isinstance(parsed, Log)
    assert [(line, packet.dns_id, packet.ct, packet.time_s) for line, packet in parsed.log.queued] == [
        (1, 8725, 0xFFFF8800905EAD68, 467402.634931),
        (2, 5451, 0xFFFF8800905EA750, 15 * 3600 + 14 * 60 + 56),
        (3, 5451, None, 0.0),
    ]


CPU = "cpu={} \tfound={} invalid=0 insert=0 insert_failed={} drop=1 early_drop=0 error=0 search_restart=0\n"


def test_counters_of_each_format_are_one_reading() -> None:
    """Old versions print names and counts, new ones a line per processor."""
    tool = read(CPU.format(0, 1, 2) + CPU.format(1, 3, 4))
    old = read("entries  \t\t5\nsearched\t\t10\ninsert_failed\t\t6\ndrop 2\n")
    exporter = read(
        "# HELP node_nf_conntrack_stat_insert_failed Number.\n# TYPE node_nf_conntrack_stat_insert_failed counter\n"
        "node_nf_conntrack_entries 5\nnode_nf_conntrack_stat_insert_failed 6\nnode_nf_conntrack_stat_drop 2e+00\n"
    )
    stat = read((STALLED / "stat.after").read_text())

    for parsed, form in ((tool, "tool"), (old, "tool"), (exporter, "exporter")):
        assert isinstance(parsed, Reading)
        assert (parsed.form, parsed.counts["insert_failed"], parsed.counts["drop"]) == (form, 6, 2)
    assert isinstance(stat, Reading)
    assert stat.form == "stat"


def test_readings_of_several_machines_and_times_are_kept_apart() -> None:
    """Their sum belongs to no machine."""
    metric = 'conntrack_stats_insert_failed{{cpu="{}",instance="{}"}} {}\n'
    machines = recognise("text", "".join(metric.format(*it) for it in ((0, "a", 1), (1, "a", 2), (0, "b", 5))).encode())
    twice = recognise("text", (CPU.format(0, 1, 2) + "later\n" + CPU.format(0, 1, 3)).encode())

    assert [(each.where, each.counts["insert_failed"]) for each in machines if isinstance(each, Reading)] == [
        ('instance="a"', 3),
        ('instance="b"', 5),
    ]
    assert [each.line for each in twice if isinstance(each, Reading)] == [1, 3]


def test_nstat_is_parsed_without_conntrack_counters() -> None:
    """It shows losses by a full socket buffer."""
    parsed = read(
        "#kernel\nUdpInDatagrams                  12                 0.0\nUdpRcvbufErrors                 3   0.0\n"
    )

    assert isinstance(parsed, Reading)
    assert (parsed.form, parsed.counts) == ("nstat", {"UdpInDatagrams": 12, "UdpRcvbufErrors": 3})


def test_queue_columns_are_parsed_in_the_kernels_order() -> None:
    """Two of them count lost packets; the one between is no count."""
    parsed = read(
        "    0   4423     0 2 65535    12     3       22  1\n    7  -4423   100 1    64     0     0      100  1\n"
    )

    assert isinstance(parsed, Queues)
    first, second = parsed.rows
    assert (first.queue, first.waiting, first.queue_dropped, first.user_dropped, first.sequence) == (0, 0, 12, 3, 22)
    assert (second.queue, second.waiting, second.copy_mode, second.line) == (7, 100, 1, 2)


@pytest.mark.parametrize("row", ["1 2 3 4 5 6 7 8 9", "0 4423 0 2 70000 0 0 0 1", "0 4423 0 2 65535 12 3 22"])
def test_other_tables_of_numbers_are_no_queues(row: str) -> None:
    """Numbers alone are ambiguous."""
    assert not any(isinstance(each, Queues) for each in recognise("text", f"{row}\n".encode()))


def test_conntrack_entries_and_events_are_parsed_with_any_options() -> None:
    """They show whether, and by which host, an entry was answered."""
    flow = "src=192.0.2.10 dst=10.96.0.10 sport=40001 dport=53 "
    back = "src=10.244.1.5 dst=192.0.2.10 sport=53 dport=40001 "
    parsed = read(
        f"udp      17 27 {flow}[UNREPLIED] {back}mark=0 use=1\n"
        f"ipv4     2 udp      17 27 {flow}packets=2 bytes=122 {back}packets=1 bytes=77 mark=0 zone=0 use=2\n"
        f"[1713869887.123456]\t    [NEW] udp      17 30 {flow}[UNREPLIED] {back}id=7\n"
        f" [UPDATE] udp      17 30 {flow}{back}\n[DESTROY] tcp      6 {flow}{back}[ASSURED]\n"
        f"tcp      6 431999 ESTABLISHED {flow}{back}[ASSURED] mark=0 use=1\n"
        "icmp     1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=1 src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=1\n"
        "conntrack v1.4.6 (conntrack-tools): 6 flow entries have been shown.\n"
    )

    assert isinstance(parsed, Conntracks)
    assert [each.kind for each in parsed.entries] == [None, None, "NEW", "UPDATE", "DESTROY", None]
    assert [each.answered for each in parsed.entries] == [False, True, False, True, True, True]
    assert parsed.entries[0].reply is not None
    assert parsed.entries[0].reply.src == "10.244.1.5"
    assert parsed.entries[1].packets == (2, 1)
    assert parsed.entries[2].time_s == 1713869887.123456


def test_queueing_disciplines_are_read_with_their_drops() -> None:
    """After confirm only the queueing discipline can drop a packet."""
    parsed = read(
        "qdisc fq_codel 0: dev eth0 root refcnt 2 limit 10240p flows 1024 quantum 1514\n"
        " Sent 1234 bytes 12 pkt (dropped 3, overlimits 4 requeues 5)\n backlog 0b 0p requeues 5\n"
        "  maxpacket 66 drop_overlimit 0 new_flow_count 1 ecn_mark 0\n  new_flows_len 0 old_flows_len 0\n"
    )

    assert isinstance(parsed, Disciplines)
    assert [(it.kind, it.device, it.packets, it.dropped, it.line) for it in parsed.qdiscs] == [
        ("fq_codel", "eth0", 12, 3, 2)
    ]


CONFIRM = "__nf_conntrack_confirm: 192.0.2.10:40001->198.51.100.53:53 TID: {}, ct: 0xffff880000000a00, ctinfo: 2\n"
RETURN = "__nf_conntrack_confirm: return {}\n"


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


FREED = "kfree_skb: skbaddr=0xffff88811f6a7068 rx_sk=(nil) protocol=2048 location=nf_hook_slow+0x9a"
OTHERWISE = "location: 0xffffffff8b, protocol: 2048, reason: NETFILTER_DROP"
FLOW = "192.0.2.10:40001->1.1.1.1:53(udp)"
PWRU = f"0xffff936378692ce8 6 [curl] kfree_skb_reason(SKB_DROP_REASON_NETFILTER_DROP) {FLOW}"


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


DAY = "Feb 18 11:23:28"
LOGREAD = "Mon Apr 23 10:58:07 2024 daemon.info"
CRI = "2024-04-23T10:58:07.123456789Z stdout F"
DEGRADED = "Using degraded feature set UDP instead of UDP+EDNS0 for DNS server 192.0.2.53."
ASKED = "www.example.com from 10.0.0.1"
UNBOUND = "[1713869887] unbound[123:0] info: 10.0.0.1 www.example.com."
COREDNS = '"A IN db.default.svc.cluster.local. udp 48 false 512" NOERROR qr,aa,rd 106 0.000123s'
UPSTREAM = "read udp 10.244.0.5:40001->192.0.2.53:53: i/o timeout"


@pytest.mark.parametrize(
    ("line", "program", "kind", "about"),
    [
        ("systemd-resolved[77]: Timeout reached on transaction 6096.", "systemd-resolved", "timeout", {"dns_id": 6096}),
        (f"{DAY} h systemd-resolved[77]: {DEGRADED}", "systemd-resolved", "degraded", {"server": "192.0.2.53"}),
        (f"{DAY} dnsmasq[7]: query[AAAA] {ASKED}", "dnsmasq", "asked", {"client": "10.0.0.1", "qtype": "AAAA"}),
        (f"{DAY} dnsmasq[7]: 12 10.0.0.1/40001 query[type=65] {ASKED}", "dnsmasq", "asked", {"port": 40001}),
        (f"{LOGREAD} dnsmasq[7]: forwarded a.com to 192.0.2.53", "dnsmasq", "sent", {"server": "192.0.2.53"}),
        (f"{DAY} dnsmasq[7]: Maximum number of concurrent DNS queries reached (max: 150)", "dnsmasq", "limit", {}),
        (f"{UNBOUND} A IN", "unbound", "asked", {"time_s": 1713869887.0, "qname": "www.example.com"}),
        (f"{UNBOUND} A IN NOERROR 0.010000 0 49", "unbound", "answered", {"rcode": "NOERROR", "took_s": 0.01}),
        (f"[INFO] 10.244.1.9:40001 - 1001 {COREDNS}", "coredns", "answered", {"dns_id": 1001, "client": "10.244.1.9"}),
        (f"{CRI} [INFO] [2001:db8::9]:40001 - 1001 {COREDNS}", "coredns", "answered", {"client": "2001:db8::9"}),
        (f"[ERROR] plugin/errors: 2 a.com. AAAA: {UPSTREAM}", "coredns", "timeout", {"server": "192.0.2.53"}),
    ],
)
def test_logs_of_intermediate_resolvers_are_parsed(
    line: str, program: str, kind: str, about: dict[str, object]
) -> None:
    """How far a query appears in the logs shows where it was lost."""
    parsed = read(line + "\n")

    assert isinstance(parsed, Daemon)
    assert (parsed.program, parsed.events[0].kind) == (program, kind)
    assert {name: getattr(parsed.events[0], name) for name in about} == about
    assert parsed.place(1) == Citation("text", 1, None, line)


@pytest.mark.parametrize(
    ("line", "seconds", "tool"),
    [
        ("0.022099", 0.022099, "curl"),
        ("5,008615", 5.008615, "curl"),
        ("5.008s", 5.008, "curl"),
        ("   12: 2.505", 2.505, "curl"),
        ("Fri Nov 29 10:00:00 UTC 2024 5.004", 5.004, "curl"),
        ("2024-11-29T10:00:00Z 5.004", 5.004, "curl"),
        ("10:00:00 5.004", 5.004, "curl"),
        ("time_namelookup:  5.005153", 5.005153, "curl"),
        ("DNS lookup: 5.005 s", 5.005, "curl"),
        ("dns=5005.5ms total=5.1", 5.0055, "curl"),
        ("5.004512 5.005 5.125", 5.004512, "curl"),
        ("real\t0m5.012s", 5.012, "time"),
        ("real 65.01", 65.01, "time"),
        ("real\t1m5,012s", 65.012, "time"),
        ("        5.01 real         0.00 user         0.00 sys", 5.01, "time"),
        ("0.00user 0.00system 0:05.01elapsed 0%CPU (0avgtext+0avgdata 2048maxresident)k", 5.01, "time"),
        ("getent ahosts x  0.00s user 0.00s system 0% cpu 5.010 total", 5.01, "time"),
        ("TotalSeconds      : 5.0101", 5.0101, "time"),
        (";; Query time: 5003 msec", 5.003, "dig"),
    ],
)
def test_lookup_times_are_parsed_from_every_tool(line: str, seconds: float, tool: str) -> None:
    """Every user has these first."""
    parsed = read(line + "\n")

    assert isinstance(parsed, Times)
    (sample,) = parsed.samples
    assert sample.tool == tool
    assert sample.seconds == pytest.approx(seconds)


def test_lookups_that_failed_are_counted_apart() -> None:
    """They have no time and do not count as fast."""
    parsed = read(
        "0.004\n;; connection timed out; no servers could be reached\ncurl: (28) Resolving timed out after 5000 ms\n"
    )

    assert isinstance(parsed, Times)
    assert lookup_times.summarize(parsed.samples).failed == 2


def test_stalls_cluster_at_resolver_timeouts() -> None:
    """The cluster shows whose timeout it was."""
    parsed = lookup_times.summarize(
        [
            lookup_times.Sample(seconds, "curl")
            for seconds in (0.02, 0.005, 2.505, 0.002, 5.008, 2.504, 5.51, 1.7, 10.01)
        ]
    )

    assert (parsed.count, parsed.stalled, parsed.failed) == (9, 6, 0)
    assert parsed.peaks == (lookup_times.Peak(2.5, 2), lookup_times.Peak(5.0, 2), lookup_times.Peak(10.0, 1))


def test_a_resolv_conf_among_other_lines_is_read_and_prose_is_not() -> None:
    """Sentences may begin with `search` or `options`, too."""
    parsed = recognise(
        "text",
        b"# cat /etc/resolv.conf\nsearch default.svc.cluster.local svc.cluster.local\nnameserver 10.96.0.10\n"
        b"options ndots:5\nsearch the logs for errors\noptions are limited\n",
    )

    assert [type(each) for each in parsed] == [Options, Unread]
    assert isinstance(parsed[0], Options)
    assert parsed[0].conf.nameservers == ("10.96.0.10",)
    assert parsed[0].conf.options == (("ndots:5", 4),)


def test_each_part_of_a_ticket_is_parsed_and_the_rest_named() -> None:
    """A silently skipped part may be the decisive one."""
    trace = (STALLED / "curl.strace").read_text()
    ticket = (
        "Dear support,\n\n"
        + (EVIDENCE / "printed" / "eth-n.txt").read_text()
        + "the counters:\n"
        + CPU.format(0, 1, 2)
        + "$ dmesg\n[38775.392631] nf_conntrack: table full, dropping packet\n"
        + trace
        + "kind regards\nA. User\n"
    )
    parsed = recognise("ticket", ticket.encode())

    assert {type(each).__name__ for each in parsed} == {"Capture", "Reading", "Log", "Calls", "Unread"}
    (unread,) = (each for each in parsed if isinstance(each, Unread))
    assert [part.text for part in unread.parts] == ["Dear support,", "the counters:", "kind regards"]
    assert (unread.parts[0].first, unread.parts[0].last) == (1, 1)


def test_a_trace_without_its_header_is_read() -> None:
    """Users copy only the relevant lines."""
    lines = [line for line in (STALLED / "trace").read_text().splitlines() if line and not line.startswith("#")]
    parsed = read("\n".join(lines[:5]) + "\n")

    assert isinstance(parsed, Traced)
    assert [event.line for event in parsed.trace.events] == [1, 2, 3, 4, 5]


SAMPLES = [
    FULL,
    "udp 17 27 src=192.0.2.10 dst=10.96.0.10 sport=4 dport=53 [UNREPLIED] src=10.0.1.5 dst=192.0.2.10 sport=53 dport=4",
    CONFIRM.format(1),
    RETURN.format(0),
    CPU.format(0, 1, 2),
    "    0   4423     0 2 65535    12     3       22  1",
    "systemd-resolved[77]: Timeout reached on transaction 6096.",
    "[ERROR] plugin/errors: 2 www.example.com. AAAA: read udp 10.244.0.5:40001->192.0.2.53:53: i/o timeout",
    f"curl 883 [001] 340.799805: skb:{FREED} reason: NETFILTER_DROP",
    PWRU,
    "nameserver 10.0.0.1",
    "real 0m5.012s",
    "node_nf_conntrack_stat_insert_failed 30",
    "qdisc fq_codel 0: dev eth0 root refcnt 2",
    " Sent 1234 bytes 12 pkt (dropped 3, overlimits 4 requeues 5)",
    "09:00:00.1 IP 192.0.2.10.40001 > 198.51.100.53.53: 1001+ A? www.example.com. (33)",
    '09:00:00.1 connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("198.51.100.53")}, 16) = 0',
]


@given(st.lists(st.sampled_from(SAMPLES), max_size=8), st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_lines_are_parsed_or_named(lines: list[str], data: st.DataObject) -> None:
    """Any pasted text gives no traceback, and every named place is a line of the file."""
    content = "\n".join(lines)
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(at, min(at + 12, len(content))))
        content = content[:at] + data.draw(st.text(max_size=6)) + content[end:]
    count = max(content.count(end) for end in ("\n", "\r")) + 1

    for each in recognise("text", content.encode("utf-8", errors="replace")):
        if isinstance(each, Capture):
            assert all(0 < packet.number <= count for packet in each.packets)
        if isinstance(each, Unread):
            assert all(0 < part.first <= part.last <= count for part in each.parts)
        if isinstance(each, Unknown):
            assert each.why


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=60), max_size=12))
@settings(deadline=None)
def test_every_line_has_one_type(content: list[str]) -> None:
    """A line of two types would count twice as evidence."""
    lines = text.from_decoded("\n".join(content))
    parsed = segments.sort(lines, KINDS)
    numbers = [line.number for kind in KINDS for part in parsed.parts(kind) for line in part]

    assert len(numbers) == len(set(numbers))
    assert all(0 < number <= len(lines) for number in numbers)


MATCH = "-p udp -m udp --dport 53 -j NFQUEUE"
LISTED = """Chain OUTPUT (policy ACCEPT 1 packets, 2 bytes)
 pkts bytes target     prot opt in     out     source               destination
   12   800 NFQUEUE    udp  --  *      *       0.0.0.0/0            0.0.0.0/0            udp dpt:53 NFQUEUE num 7
"""
NFT = """table inet filter {
	chain out {
		type filter hook postrouting priority mangle; policy accept;
		udp dport 53 counter packets 1 bytes 61 queue flags bypass to 7
	}
}
"""


@pytest.mark.parametrize(
    ("content", "queue", "table", "chain"),
    [
        (f"*mangle\n:POSTROUTING ACCEPT [1:2]\n-A POSTROUTING {MATCH} --queue-num 7\n", 7, "mangle", "POSTROUTING"),
        (f"-P OUTPUT ACCEPT\n-A OUTPUT {MATCH} --queue-balance 0:3\n", 0, "", "OUTPUT"),
        (f"iptables -t mangle -I POSTROUTING {MATCH} --queue-num 7\n", 7, "mangle", "POSTROUTING"),
        (LISTED, 7, "", "OUTPUT"),
        (NFT, 7, "filter", "out, hook postrouting, priority mangle"),
        ("table ip raw {\n\tchain out {\n\t\tudp dport 53 queue num 7 bypass\n\t}\n}\n", 7, "raw", "out"),
    ],
)
def test_a_queueing_rule_is_recognised_with_its_table(content: str, queue: int, table: str, chain: str) -> None:
    """It matters whether it is before or after conntrack."""
    parsed = next(each for each in recognise("text", content.encode()) if isinstance(each, Rules))

    assert [(rule.queue, rule.table, rule.chain) for rule in parsed.rules] == [(queue, table, chain)]


def test_rules_without_a_queue_are_recognised() -> None:
    """If the list is complete, this contradicts the bug."""
    parsed = read("*filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p udp --dport 53 -j DROP\nCOMMIT\n")

    assert isinstance(parsed, Rules)
    assert parsed.rules == ()


def test_damaged_lines_of_a_known_type_are_named() -> None:
    """A silently skipped part may be the decisive one."""
    parsed = recognise("text", b"nameserver 10.0.0.1\n00000001 00000002 00000003 00000004 00000005\n")

    assert [type(each) for each in parsed] == [Options, Unread]
    assert isinstance(parsed[1], Unread)
    assert parsed[1].parts[0].first == 2


TEXTS = [
    *sorted((EVIDENCE / "printed").glob("*.txt")),
    *(path for path in sorted(STALLED.iterdir()) if path.suffix != ".pcap"),
    EVIDENCE / "replicas" / "old-threads" / "events",
]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_no_line_matches_two_types(path: Path) -> None:
    """Otherwise its type would depend on the line before it."""
    lines = text.split_lines(path.read_bytes())

    for line in lines[:300]:
        assert len([kind.name for kind in KINDS if kind.claims(text.tidy(line))]) <= 1


HOSTILE = {
    "letters": b"a" * 10_000_000,
    "digits": b"1" * 10_000_000,
    "spaces": b" " * 10_000_000 + b"x",
    "quotes": b"> " * 5_000_000 + b"x",
    "escapes": b"\x1b[" * 5_000_000,
    "colons": b"a:" * 5_000_000,
    "arrows": b"10:58:00.1 IP " + b"a.b > " * 1_600_000,
    "dots": b"10:58:00.1 IP " + b"1." * 5_000_000,
    "brackets": b"1.0 sendmmsg(3, " + b"[{" * 5_000_000,
    "a string": b'1.0 sendto(3, "' + b"\\1" * 5_000_000 + b'", 33, 0, NULL, 0) = 33',
    "json": b'{"MESSAGE":' + b"[" * 5_000_000,
    "labels": b"node_nf_conntrack_stat_drop{" + b'a="b",' * 1_600_000 + b"} 1",
    "fields": b"udp 17 27 src=" + b"1 src=" * 1_600_000,
    "many lines of one kind": (b"09:00:00.1 connect(3, " + b"x" * 500 + b"\n") * 10_000,
    "many half lines": b"09:00:00.1 IP 192.0.2.10.40001 > 198.51.100.53.53: 1001+ A?\nb\n" * 30_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_linear_time_and_memory(name: str) -> None:
    """A line of 20 MB took 2.8 GB, and a pattern may backtrack once per byte."""
    begin_s = time.process_time()
    recognise("text", HOSTILE[name] + b"\n")

    assert time.process_time() - begin_s < 10
