"""What users bring of the kernel's state: counters, queues, conntrack entries, queueing disciplines."""

from __future__ import annotations

import pytest

from lab.diagnosis.material import Conntracks, Disciplines, Queues, Reading
from lab.diagnosis.recognise import recognise
from tests.unit.brought_lines import CPU, STALLED, read


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
