"""Times of lookups, resolv.conf, and rules that queue: what users bring first."""

from __future__ import annotations

import pytest

from lab.diagnosis.material import Options, Rules, Times, Unread
from lab.diagnosis.recognise import recognise
from lab.evidence import lookup_times
from tests.unit.brought_lines import read


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
