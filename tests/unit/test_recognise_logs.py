"""Logs that users bring: the kernel's in every format, the hook's lines, and those of resolvers in between."""

from __future__ import annotations

import json

import pytest

from lab.diagnosis.material import Citation, Daemon, Log
from lab.diagnosis.recognise import recognise
from lab.evidence import kernel_log
from tests.unit.brought_lines import FULL, read


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
