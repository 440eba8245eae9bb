"""Every packet followed, on every kernel, in every scenario; and what remains of it in the guest: nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from typing import Any

import pytest

from lab.catalogue import find
from lab.home import SCENARIOS
from tests.guest.conftest import Done, TestLab, interrupt, wait_for

MACHINES = ("old", "new", "today")

# What gathering or a scenario might leave: processes, events of the kernel's trace, mounts, rules, delays, NAT.
LEFT_BEHIND = r"""
ps -e -o stat= -o args= | grep -v '^Z' | grep -E '(tcpdump|conntrack -E|strace|user[.]out) ' | grep -v grep || true
mount | grep /run/lab/ || true
ip netns exec lab-lane0 nft list ruleset
ip netns exec lab-lane0 tc qdisc show dev lane | grep -v noqueue || true
lsmod | grep -E '^(nfqdns|nf_nat|nft_chain_nat) ' || true
mkdir -p /tmp/tracing && mount -t tracefs nodev /tmp/tracing
cat /tmp/tracing/kprobe_events
ls /tmp/tracing/instances
umount /tmp/tracing
"""


@pytest.fixture(scope="module")
def everything(running: TestLab) -> Done:
    """Make a trial of every scenario on every machine, without evidence and with it."""
    return running.run("run", *MACHINES, "--evidence", "-n", "1", "--json")


def test_every_scenario_shows_what_it_expects_on_every_kernel(everything: Done) -> None:
    """No cell is off, no trial contradicts itself, and none is missing."""
    assert everything.status == 0, everything.err
    cells = everything.json["cells"]

    names = {scenario.name for scenario in find.scenarios(SCENARIOS, [])}
    assert {(cell["machine"], cell["scenario"]) for cell in cells} == {
        (machine, name) for machine in MACHINES for name in names
    }
    for cell in cells:
        where = f"{cell['scenario']} on {cell['machine']}"
        assert cell["as_expected"], where
        assert (cell["bare"]["trials"], cell["traced"]["trials"]) == (1, 1), where


def shown(lab: TestLab, run: Done, trial: str) -> Any:  # noqa: ANN401  as json.loads has it
    """Give what the lab shows of a trial."""
    return lab.well("show", run.json["run"], trial, "--json").json


def at(line: dict[str, Any], stage: str) -> dict[str, Any]:
    """Give a lifeline's point at a stage."""
    return next(point for point in line["points"] if point["stage"] == stage)


def test_on_old_confirm_returns_0_for_one_of_the_two_queries_and_nothing_later_sees_it(
    running: TestLab, everything: Done
) -> None:
    """The lifeline of the lost query ends at confirm; insert_failed is one more; the other query is answered."""
    trial = shown(running, everything, "old/nfqueue/2")
    (lost,) = [line for line in trial["lifelines"] if line["lost_at"]]
    others = [line for line in trial["lifelines"] if not line["lost_at"]]

    assert trial["outcome"] == "stalled"
    assert lost["lost_at"] == "confirm returned"
    assert at(lost, "confirm returned")["detail"].startswith("0 (NF_DROP)")
    for stage in ("on the wire", "seen by the server", "answer on the wire", "read by the resolver"):
        assert at(lost, stage)["status"] == "not seen"
    assert all(at(line, "read by the resolver")["status"] == "seen" for line in others)
    assert len({line["dns_id"] for line in trial["lifelines"]}) == 2
    assert trial["counters"]["insert_failed"] == 1


def test_on_new_both_queries_leave_on_one_conntrack_and_on_today_nothing_clashes(
    running: TestLab, everything: Done
) -> None:
    """Era resolve confirms the second query onto the first one's conntrack; era relookup does so before confirm."""
    new, today = (shown(running, everything, f"{machine}/nfqueue/2") for machine in ("new", "today"))
    conntracks = [
        {word for line in trial["lifelines"] for word in at(line, "on the wire")["detail"].split() if len(word) == 17}
        for trial in (new, today)
    ]
    confirms = [[at(line, "confirm returned")["detail"] for line in trial["lifelines"]] for trial in (new, today)]

    assert all(len(found) == 1 for found in conntracks), conntracks
    assert [detail.split(",")[0] for detail in confirms[0]] == ["1 (NF_ACCEPT)", "1 (NF_ACCEPT) after a clash"]
    assert confirms[1][0].startswith("1 (NF_ACCEPT), ")
    assert confirms[1][1].startswith("not needed")
    assert new["counters"]["insert_failed"] == 1
    assert today["counters"]["insert_failed"] == 0


def test_every_source_is_on_one_clock(running: TestLab, everything: Done) -> None:
    """No query is seen at a place after a later one, by more than the uncertainty that is stated: no clock is off."""
    for machine in MACHINES:
        for line in shown(running, everything, f"{machine}/nfqueue/2")["lifelines"]:
            timed = [point for point in line["points"] if point["time_s"] is not None]
            assert len(timed) > 3, line
            for point, later in combinations(timed, 2):
                assert point["time_s"] - point["within_s"] <= later["time_s"] + later["within_s"], (point, later)
            assert all(point["within_s"] < 1 for point in timed)


def test_nothing_of_a_scenario_stays_in_the_guest(running: TestLab, everything: Done) -> None:
    """What one scenario left would be part of the next: rules, delays, NAT, probes, programs."""
    assert everything.status == 0
    for machine in MACHINES:
        assert running.ask(machine, LEFT_BEHIND) == "", machine


def test_a_stopped_run_leaves_no_gatherer_behind(running: TestLab) -> None:
    """Ctrl-C while packets are followed ends what follows them."""
    stored = set(running.home.glob("runs/*/old/nfqueue/0002"))
    process = running.start("run", "old", "-s", "nfqueue", "-n", "1", "--evidence")
    wait_for(lambda: running.run("ssh", "old", "--", "pgrep strace").status == 0)
    assert interrupt(process).status == 130

    assert running.ask("old", LEFT_BEHIND) == ""
    assert set(running.home.glob("runs/*/old/nfqueue/0002")) == stored


@contextmanager
def without(lab: TestLab, machine: str, program: str) -> Iterator[None]:
    """Take a program away from a machine for a while."""
    lab.ask(machine, f"mv /usr/bin/{program} /usr/bin/{program}.away")
    try:
        yield
    finally:
        lab.ask(machine, f"mv /usr/bin/{program}.away /usr/bin/{program}")


def test_a_machine_that_lacks_a_scenarios_client_leaves_it_out_and_says_so(running: TestLab) -> None:
    """A machine without wget is no failure, and no result either."""
    with without(running, "old", "wget"):
        done = running.run("run", "old", "-s", "nfqueue-wget", "-s", "baseline", "-n", "1", "--json")

    assert done.status == 0, done.err
    assert [cell["scenario"] for cell in done.json["cells"]] == ["baseline"]
    assert done.json["left_out"] == [
        {"machine": "old", "scenario": "nfqueue-wget", "reason": "there is no wget in this machine"}
    ]
    assert "nfqueue-wget on old is left out" in running.well("compare", "--run", done.json["run"]).out


def test_what_cannot_be_gathered_is_said_and_the_rest_still_tells(running: TestLab) -> None:
    """Without tcpdump the lifeline says "not traced" on the wire, and the loss at confirm is found all the same."""
    with without(running, "old", "tcpdump"):
        done = running.well("run", "old", "-s", "nfqueue", "-n", "1", "--evidence", "--json")
    trial = shown(running, done, "old/nfqueue/2")
    (lost,) = [line for line in trial["lifelines"] if line["lost_at"]]

    assert lost["lost_at"] == "confirm returned"
    assert at(lost, "answer on the wire")["status"] == "not traced"
    text = running.well("show", done.json["run"], "old/nfqueue/2").out
    assert "not gathered: client.pcap" in text
    assert "not traced" in text


# Stands for the world outside of the test network: a resolver and a page at an address that is nobody's (RFC 5737).
OUTSIDE = """
ip addr add 192.0.2.53/32 dev lo
dnsmasq --conf-file=/dev/null --user=root --no-resolv --no-hosts --listen-address=192.0.2.53 --bind-interfaces \\
  --pid-file=/run/outside.pid --address=/outside.example/192.0.2.53 --address=/outside.example/2001:db8::53
mkdir -p /run/outside && echo page >/run/outside/index.html
busybox httpd -p 192.0.2.53:80 -h /run/outside
"""
GONE = "kill $(cat /run/outside.pid) $(pgrep -f '[h]ttpd -p 192.0.2.53'); ip addr del 192.0.2.53/32 dev lo"


def test_a_real_name_at_a_real_resolver_stalls_on_old_and_leaves_no_way_out_behind(running: TestLab) -> None:
    """What a user's own resolver shows is the same race; and the lane is closed again afterwards."""
    aim = ("--target", "www.outside.example", "--nameserver", "192.0.2.53")
    routes = running.ask("old", "ip route; cat /proc/sys/net/ipv4/ip_forward")
    running.ask("old", OUTSIDE)
    try:
        done = running.well("run", "old", "-s", "nfqueue", "-n", "1", "--evidence", "--json", *aim)
    finally:
        running.ask("old", GONE)
    trial = shown(running, done, "old/nfqueue/2")

    assert [line["qtype"] for line in trial["lifelines"] if line["lost_at"]] == ["AAAA"]
    assert "10.10.250.2 to 192.0.2.53" in at(trial["lifelines"][0], "on the wire")["detail"]
    assert running.ask("old", "ip route; cat /proc/sys/net/ipv4/ip_forward") == routes
    assert running.ask("old", LEFT_BEHIND) == ""


def test_a_machine_without_a_way_out_says_so(running: TestLab) -> None:
    """A replica's network is closed: the scenario is left out, and not taken for a failed lookup."""
    aim = ("--target", "www.example.com", "--nameserver", "192.0.2.53")
    done = running.run("run", "old", "-s", "baseline", "-n", "1", *aim)

    assert "no way to 192.0.2.53" in done.err
    running.ask("old", "ip addr add 192.0.2.53/32 dev lo")
    try:
        unanswered = running.run("run", "old", "-s", "baseline", "-n", "1", *aim)
    finally:
        running.ask("old", "ip addr del 192.0.2.53/32 dev lo")
    assert unanswered.status == 1
    assert "1 of 1 failed" in " ".join(unanswered.out.split())
    about_the_test_network = running.run("run", "old", "-s", "dnat", "-n", "1", *aim)
    assert about_the_test_network.status == 2
    assert "cannot be aimed elsewhere" in about_the_test_network.err
