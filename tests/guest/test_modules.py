"""The kernel modules and the verdict program on a real kernel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.evidence import hook
from tests.guest.conftest import TestLab

LANE = "lab-lane0"
INSIDE = f"ip netns exec {LANE}"
MODULES = "/opt/lab/build/$(uname -r)"
SCENARIO = "/opt/lab/guest/scenario.sh"
LOG = f"/run/lab/{LANE}/verdict.jsonl"
LOGGED = f"grep -c '\"packet\"' {LOG}"


@pytest.fixture(scope="module")
def packets(running: TestLab) -> TestLab:
    """Build the sender of unusual packets in the guest."""
    source = (Path(__file__).parent / "packets.c").read_text()
    running.ask(
        "today", f"cat >/tmp/packets.c <<'EOF'\n{source}\nEOF\ngcc -D_GNU_SOURCE -o /tmp/packets /tmp/packets.c"
    )
    return running


@pytest.fixture
def queued(packets: TestLab) -> Iterator[TestLab]:
    """Queue the lane's DNS packets and accept them at once."""
    packets.ask("today", f"{SCENARIO} begin 1 queue=nfqdns && dmesg --clear")
    yield packets
    packets.ask("today", f"{SCENARIO} end")


@pytest.mark.parametrize(
    ("kind", "queued_as"),
    [
        ("first-fragment", None),
        ("later-fragment", None),
        ("cut-header", None),
        ("no-payload", "tid -"),
        ("one-byte", "tid -"),
        ("wrong-length", "tid -"),
        ("options", "tid 4660"),
        ("nonlinear", "tid 4660"),
    ],
)
def test_unusual_packets_never_crash_the_hook(queued: TestLab, kind: str, queued_as: str | None) -> None:
    """Every outgoing packet passes the hook, which must read only existing bytes."""
    queued.ask("today", f"{INSIDE} /tmp/packets {kind} 10.10.10.53")
    log = queued.ask("today", "dmesg")

    lines = [line for line in log.splitlines() if "[nfqdns]" in line]
    assert not any(word in log for word in ("BUG", "Oops", "WARNING", "general protection"))
    if queued_as is None:
        assert lines == []
    else:
        assert len(lines) == 1
        assert f" {queued_as} at " in lines[0]
        assert "->10.10.10.53:53" in lines[0]


def test_queue_and_port_can_be_set_at_run_time(packets: TestLab) -> None:
    """A product on another queue or port can be shown without a build."""
    packets.ask("today", f"insmod {MODULES}/nfqdns.ko port=5353 queue=7 && dmesg --clear")
    try:
        packets.ask("today", f"{INSIDE} /tmp/packets options 10.10.10.53")
        assert "->10.10.10.53" not in packets.ask("today", "dmesg")
        packets.ask("today", "echo 53 >/sys/module/nfqdns/parameters/port")
        packets.ask("today", f"{INSIDE} /tmp/packets options 10.10.10.53")
        assert "->10.10.10.53:53" in packets.ask("today", "dmesg")
        assert packets.ask("today", "cat /sys/module/nfqdns/parameters/queue").strip() == "7"
    finally:
        packets.ask("today", "rmmod nfqdns")


def test_the_hook_is_in_every_namespace(queued: TestLab) -> None:
    """A namespace created after the module was loaded is hooked as well, as for containers."""
    queued.ask(
        "today",
        "ip netns add later && trap 'ip netns del later' EXIT && ip -n later link set lo up && "
        "ip netns exec later /tmp/packets options 127.0.0.1 && dmesg | grep -q 'nfqdns.*->127.0.0.1:53'",
    )


def test_the_era_can_be_switched_at_run_time(running: TestLab) -> None:
    """One machine can show several eras, and the module counts per era."""
    era, counted = "/sys/module/ctrewind/parameters/era", "/sys/module/ctrewind/parameters/clashes_resolved"
    trial = "/opt/lab/guest/trials.sh 1 1 1 curl www.lab.test 20 | tar -xO 0001/client.json"
    running.ask("old", f"{SCENARIO} begin 1 queue=nfqdns listening='--hold-packets 2 --hold-ms 100'")
    try:
        before = int(running.ask("old", f"cat {counted}"))
        running.ask("old", f"echo resolve >{era}")
        quick = json.loads(running.ask("old", trial))
        after = int(running.ask("old", f"cat {counted}"))
        running.ask("old", f"echo drop >{era}")
        slow = json.loads(running.ask("old", trial))
    finally:
        running.ask("old", f"echo drop >{era}; {SCENARIO} end")

    assert quick["lookup_s"] < 2.5
    assert after == before + 1
    assert slow["lookup_s"] > 5


def test_an_unknown_era_is_refused_with_its_name(running: TestLab) -> None:
    """This holds at load and at run time, and the current era is kept."""
    line = (
        f"! insmod {MODULES}/ctrewind.ko era=nonsense && ! insmod {MODULES}/ctrewind.ko && dmesg | grep '.ctrewind.' "
        "&& [ ! -e /sys/module/ctrewind ]"
    )
    log = running.ask("today", f"dmesg --clear; {line}")
    assert "era 'nonsense' is unknown; it can be: drop, resolve" in log
    assert "no era given" in log

    era = running.ask(
        "old", "cd /sys/module/ctrewind/parameters; ! echo nonsense 2>/dev/null >era && cat era && dmesg | tail -n 1"
    )
    assert era.startswith("drop\n")
    assert "nonsense" in era


# As in an early ctrewind: unmergeable entries are left to this kernel, which inserts them.
BROKEN = f"""
set -e
rm -rf /tmp/broken && cp -r /opt/lab/ctrewind /tmp/broken
sed -i 's/go_instead(regs, (unsigned long)resolved_probe.kp.addr)/0/' /tmp/broken/ctrewind.c
make -s -C /tmp/broken
mv {MODULES}/ctrewind.ko /tmp/ctrewind.ko
cp /tmp/broken/ctrewind.ko {MODULES}/
"""


def test_an_ineffective_ctrewind_is_refused_and_unloaded(running: TestLab) -> None:
    """A false replica would teach something wrong: two test clashes are compared with the real kernel's."""
    before = running.ask("today", "lsmod | cut -d' ' -f1 | sort; ip netns list | sort")
    running.ask("today", BROKEN)
    try:
        result = running.run("ssh", "today", "--", "/opt/lab/guest/era.sh resolve")
    finally:
        running.ask("today", f"mv /tmp/ctrewind.ko {MODULES}/; /opt/lab/guest/era.sh untouched")

    assert result.status == 1
    assert "ctrewind does not make kernel 6.1" in result.err
    assert "behave as era resolve: of two clashing packets (dnat)" in result.err
    assert "it should be left=1 insert_failed=1 drop=1, and is left=2" in result.err
    after = running.ask("today", "lsmod | cut -d' ' -f1 | sort; ip netns list | sort")
    assert [line for line in after.split() if "nat" in line or "ctrewind" in line or "clash" in line] == []
    assert set(before.split()) <= set(after.split())


def test_conntrack_cannot_be_unloaded_while_rewound(running: TestLab) -> None:
    """Reloaded it would have its native era while the machine reports another."""
    result = running.run(
        "ssh", "old", "--", "/opt/lab/guest/network.sh down; rmmod nfnetlink_queue; rmmod nf_conntrack"
    )
    running.well("up", "old")

    assert result.status != 0
    assert "nf_conntrack is in use" in result.err


def test_an_untracked_packet_is_logged_without_a_conntrack(queued: TestLab) -> None:
    """With a NOTRACK rule the host parses the line like any other."""
    rule = "iptables -t raw {} OUTPUT -p udp --dport 53 -j NOTRACK"
    queued.ask("today", f"{INSIDE} {rule.format('-A')}")
    try:
        queued.ask("today", f"{INSIDE} /tmp/packets options 10.10.10.53")
        (packet,) = hook.parse(queued.ask("today", "dmesg"))
    finally:
        queued.ask("today", f"{INSIDE} {rule.format('-D')}")

    assert packet.ct is None


def test_a_missing_symbol_is_named_and_nothing_stays_loaded(running: TestLab) -> None:
    """Without nf_conntrack there is nothing to rewind; the message says what to load."""
    # Removed namespaces and their rules are freed asynchronously.
    unload = "modprobe -r $(lsmod | awk '/^(xt_|nft_|nfnetlink_queue|nf_conntrack_netlink)/ { print $1 }')"
    try:
        log = running.ask(
            "today",
            "/opt/lab/guest/network.sh down && "
            f"for i in $(seq 100); do ! {unload} 2>/dev/null || break; sleep 0.1; done; {unload} && "
            "! [ -e /sys/module/nf_conntrack ] || rmmod nf_conntrack; dmesg --clear; "
            f"! insmod {MODULES}/ctrewind.ko era=drop && dmesg && [ ! -e /sys/module/ctrewind ]",
        )
    finally:
        running.well("up", "today")

    assert "nf_ct_resolve_clash not found: load nf_conntrack first" in log


def records(lab: TestLab) -> list[dict[str, object]]:
    """Return the verdict program's log."""
    return [json.loads(line) for line in lab.ask("today", f"cat {LOG}").splitlines()]


def test_packets_are_held_until_enough_wait_or_the_time_is_over(packets: TestLab) -> None:
    """The hold arms the race; a single packet is still released."""
    packets.ask("today", f"{SCENARIO} begin 1 queue=nfqdns listening='--hold-packets 2 --hold-ms 2000'")
    try:
        send = f"{INSIDE} /tmp/packets options 10.10.10.53"
        packets.ask("today", f"{send}; {send}; {send}; while [ $({LOGGED}) -lt 3 ]; do sleep 0.1; done")
        held = [(float(str(r["queued_s"])), float(str(r["released_s"]))) for r in records(packets) if "type" in r]
    finally:
        packets.ask("today", f"{SCENARIO} end")

    (first_in, first_out), (second_in, second_out), (third_in, third_out) = held
    assert second_in <= first_out <= second_out  # the first was released when the second arrived
    assert first_out - first_in < 2
    assert third_out - third_in >= 2


def test_sigterm_releases_all_waiting_packets(packets: TestLab) -> None:
    """A product that is updated must not lose the packets it holds."""
    packets.ask("today", f"{SCENARIO} begin 1 queue=nfqdns listening='--hold-packets 100 --hold-ms 60000'")
    send = f"{INSIDE} /tmp/packets options 10.10.10.53"
    waiting = f"{INSIDE} awk '{{print $3}}' /proc/net/netfilter/nfnetlink_queue"
    assert packets.ask("today", f"{send}; {send}; {waiting}").strip() == "2"

    packets.ask("today", f"{SCENARIO} end")

    log = records(packets)
    assert [r["event"] for r in log] == ["start", "packet", "packet", "end"]
    assert log[1]["type"] == "A"
    assert log[1]["dns_id"] == 4660
    assert log[-1] == {"event": "end", "packets": 2, "overruns": 0, "reason": "SIGTERM"}


def test_an_occupied_queue_is_reported(queued: TestLab) -> None:
    """The kernel's EPERM sounds like missing permissions."""
    result = queued.run("ssh", "today", "--", f"{INSIDE} /opt/lab/build/user.out --queue 0")

    assert result.status == 3
    assert "another program is bound to it" in result.err


def test_the_verdict_program_survives_a_flood(packets: TestLab) -> None:
    """When the kernel drops messages (ENOBUFS), later packets still get verdicts."""
    packets.ask("today", f"{SCENARIO} begin 1 queue=nfqdns listening='--hold-packets 1024 --hold-ms 2000'")
    try:
        program = "$(pgrep -x user.out)"
        # While stopped it reads nothing, so its socket and queue fill up.
        flood = "for i in $(seq 12); do for j in $(seq 40); do "
        flood += f"{INSIDE} /tmp/packets options 10.10.10.53 & done; wait; done"
        packets.ask("today", f"kill -STOP {program}; {flood}; kill -CONT {program}")
        packets.ask("today", f"while [ $({LOGGED}) -lt 480 ]; do sleep 0.2; done; kill -0 {program}")
    finally:
        packets.ask("today", f"{SCENARIO} end")
    assert records(packets)[-1]["packets"] == 480


@pytest.mark.parametrize(("option", "passed"), [("", 0), ("--fail-open", 8)])
def test_a_full_queue_drops_or_passes_packets_as_configured(packets: TestLab, option: str, passed: int) -> None:
    """A product that fails open lets unseen queries through; one that fails closed loses them."""
    send = f"for i in $(seq 10); do {INSIDE} /tmp/packets options 10.10.10.53; done"
    came = "sleep 1; ip netns exec lab-server awk '/^Udp: [0-9]/ { print $2 }' /proc/net/snmp"  # InDatagrams
    packets.ask("today", f"{SCENARIO} begin 1 queue=nfqdns listeners=0")
    try:
        result = packets.ask(
            "today",
            f"{INSIDE} /opt/lab/build/user.out --queue-packets 2 --hold-packets 1024 --hold-ms 60000 {option} "
            "--log /tmp/full.jsonl & program=$!; "
            f"while ! {INSIDE} grep -q ' 2 ' /proc/net/netfilter/nfnetlink_queue; do sleep 0.05; done; "
            f"{came}; {send}; {came}; "
            f"{INSIDE} awk '{{ print $3, $6 }}' /proc/net/netfilter/nfnetlink_queue; kill $program; wait $program",
        )
    finally:
        packets.ask("today", f"{SCENARIO} end; rm -f /tmp/full.jsonl")

    before, after, waiting, dropped = map(int, result.split())
    assert (after - before, waiting, dropped) == (passed, 2, 8 - passed)


def test_sigterm_ends_the_verdict_program_in_a_flood(packets: TestLab) -> None:
    """It ends at any packet rate."""
    packets.ask("today", f"{SCENARIO} begin 1 queue=nfqdns")
    send = f"{INSIDE} sh -c 'while :; do /tmp/packets options 10.10.10.53; done'"
    try:
        packets.ask(
            "today",
            f"program=$(pgrep -x user.out); {send} >/dev/null 2>&1 & {send} >/dev/null 2>&1 & "
            f"while [ $({LOGGED}) -lt 50 ]; do sleep 0.1; done; kill $program; "
            "for i in $(seq 200); do kill -0 $program 2>/dev/null || exit 0; sleep 0.1; done; exit 1",
        )
    finally:
        packets.ask("today", f"{SCENARIO} end")


def test_a_full_disk_does_not_stop_verdicts(packets: TestLab) -> None:
    """Evidence is lost then, which is reported once; packets are not."""
    packets.ask("today", f"{SCENARIO} begin 1 queue=nfqdns; {SCENARIO} end")
    answer = packets.ask(
        "today",
        f"{INSIDE} /opt/lab/build/user.out --log /dev/full 2>/tmp/err & program=$!; "
        f"while ! {INSIDE} grep -q ' 2 ' /proc/net/netfilter/nfnetlink_queue; do sleep 0.05; done; "
        f"insmod {MODULES}/nfqdns.ko; {INSIDE} curl -s -m 20 http://www.lab.test/; "
        "rmmod nfqdns; kill $program; wait $program; cat /tmp/err",
    )
    assert "the lab's own page" in answer
    assert answer.count("the log cannot be written") == 1
