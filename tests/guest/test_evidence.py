"""Every packet traced on every kernel in the selected scenarios, and nothing left in the guest afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from typing import Any

import pytest

from tests import twins
from tests.guest.conftest import Done, TestLab, interrupt, wait_for
from tests.selection import scenario_names

MACHINES = ("old", "new", "today")

# Possible leftovers of tracing or a scenario: processes, trace events, mounts, rules, delays, NAT.
LEFT_BEHIND = r"""
ps -e -o stat= -o args= | grep -v '^Z' | grep -E '(tcpdump|conntrack -E|strace|user[.]out) ' | grep -v grep || true
mount | grep /run/lab/ || true
ip netns exec lab-lane0 nft list ruleset
ip netns exec lab-lane0 tc qdisc show dev lane | grep -v noqueue || true
lsmod | grep -E '^(nfqdns|nf_nat|nft_chain_nat|bridge|br_netfilter) ' || true
ls /run/netns | grep -v -E '^lab-(server|lane[0-9]+)$' || true
ip netns exec lab-lane0 ip -o addr show | grep -E 'fd00|169[.]254|inside' || true
ip netns exec lab-server ip route show | grep -v -E '^10[.]10[.][0-9]+[.]89 ' || true
ip netns exec lab-server ip -6 addr show | grep fd00 || true
ip netns exec lab-lane0 cat /proc/sys/net/ipv4/ip_forward | grep -v 0 || true
mkdir -p /tmp/tracing && mount -t tracefs nodev /tmp/tracing
cat /tmp/tracing/kprobe_events
ls /tmp/tracing/instances
umount /tmp/tracing
"""


@pytest.fixture(scope="module")
def everything(running: TestLab) -> Done:
    """Make a trial of every selected scenario on every machine, without and with evidence."""
    named = [word for name in scenario_names() for word in ("-s", name)]
    return running.run("run", *MACHINES, "--evidence", *named, "-n", "1", "--json")


def test_every_scenario_shows_what_it_expects_on_every_kernel(everything: Done) -> None:
    """No cell deviates, no trial contradicts itself, and none is missing."""
    assert everything.status == 0, everything.err
    cells = everything.json["cells"]

    assert {(cell["machine"], cell["scenario"]) for cell in cells} == {
        (machine, name) for machine in MACHINES for name in scenario_names()
    }
    for cell in cells:
        where = f"{cell['scenario']} on {cell['machine']}"
        assert cell["as_expected"], where
        assert (cell["bare"]["trials"], cell["traced"]["trials"]) == (1, 1), where


@pytest.mark.parametrize("name", twins.SCENARIO_NAMES)
@pytest.mark.parametrize(("real", "replica"), twins.REPLICAS.items())
def test_a_replica_matches_the_recorded_real_kernel_event_by_event(
    running: TestLab, everything: Done, real: str, replica: str, name: str
) -> None:
    """This machine is compared with trials recorded on 3.10.0-123 and 3.10.0-1127."""
    scenario = twins.scenario_of(name)
    trials = running.home / "runs" / everything.json["run"] / replica / name
    for recorded, trial in ((twins.BARE, "0001"), (twins.TRACED, "0002")):
        its_twin = twins.read(trials / trial, scenario)
        if scenario.may_stay_unarmed and not its_twin.verdict.armed:
            continue
        assert twins.differences(twins.read(twins.REAL / real / name / recorded, scenario), its_twin, scenario) == []


def shown(lab: TestLab, run: Done, trial: str) -> Any:  # noqa: ANN401  as json.loads has it
    """Return the output of `lab show` for a trial."""
    return lab.well("show", run.json["run"], trial, "--json").json


def at(line: dict[str, Any], stage: str) -> dict[str, Any]:
    """Return a lifeline's point at a stage."""
    return next(point for point in line["points"] if point["stage"] == stage)


def test_on_old_confirm_returns_0_for_one_query_which_never_arrives(running: TestLab, everything: Done) -> None:
    """Its lifeline ends at confirm; insert_failed rises by one; the other query is answered."""
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
    """Era resolve confirms the second query onto the first one's conntrack; relookup does so before confirm."""
    new, today = (shown(running, everything, f"{machine}/nfqueue/2") for machine in ("new", "today"))
    conntracks = [
        {word for line in trial["lifelines"] for word in at(line, "on the wire")["detail"].split() if len(word) == 17}
        for trial in (new, today)
    ]
    confirms = [[at(line, "confirm returned")["detail"] for line in trial["lifelines"]] for trial in (new, today)]

    assert all(len(tuples) == 1 for tuples in conntracks), conntracks
    assert [detail.split(",")[0] for detail in confirms[0]] == ["1 (NF_ACCEPT)", "1 (NF_ACCEPT) after a clash"]
    assert confirms[1][0].startswith("1 (NF_ACCEPT), ")
    assert confirms[1][1].startswith("not needed")
    assert new["counters"]["insert_failed"] == 1
    assert today["counters"]["insert_failed"] == 0


def test_every_source_is_on_one_clock(running: TestLab, everything: Done) -> None:
    """No query is seen at a stage after a later one, beyond the stated uncertainty."""
    for machine in MACHINES:
        for line in shown(running, everything, f"{machine}/nfqueue/2")["lifelines"]:
            timed = [point for point in line["points"] if point["time_s"] is not None]
            assert len(timed) > 3, line
            for point, later in combinations(timed, 2):
                assert point["time_s"] - point["within_s"] <= later["time_s"] + later["within_s"], (point, later)
            assert all(point["within_s"] < 1 for point in timed)


def test_nothing_of_a_scenario_stays_in_the_guest(running: TestLab, everything: Done) -> None:
    """Leftovers would affect the next scenario: rules, delays, NAT, probes, programs."""
    assert everything.status == 0
    for machine in MACHINES:
        assert running.ask(machine, LEFT_BEHIND) == "", machine


def test_an_interrupted_run_leaves_no_tracer_behind(running: TestLab) -> None:
    """Ctrl-C during tracing ends all tracers."""
    stored = set(running.home.glob("runs/*/old/nfqueue/0002"))
    process = running.start("run", "old", "-s", "nfqueue", "-n", "1", "--evidence")
    wait_for(lambda: running.run("ssh", "old", "--", "pgrep strace").status == 0)
    assert interrupt(process).status == 130

    assert running.ask("old", LEFT_BEHIND) == ""
    assert set(running.home.glob("runs/*/old/nfqueue/0002")) == stored


@contextmanager
def without(lab: TestLab, machine: str, program: str) -> Iterator[None]:
    """Remove a program from a machine temporarily."""
    lab.ask(machine, f"mv /usr/bin/{program} /usr/bin/{program}.away")
    try:
        yield
    finally:
        lab.ask(machine, f"mv /usr/bin/{program}.away /usr/bin/{program}")


def test_a_scenario_without_its_client_is_skipped_with_the_reason(running: TestLab) -> None:
    """A machine without wget is neither a failure nor a result."""
    with without(running, "old", "wget"):
        result = running.run("run", "old", "-s", "nfqueue-wget", "-s", "baseline", "-n", "1", "--json")

    assert result.status == 0, result.err
    assert [cell["scenario"] for cell in result.json["cells"]] == ["baseline"]
    assert result.json["left_out"] == [
        {"machine": "old", "scenario": "nfqueue-wget", "reason": "there is no wget in this machine"}
    ]
    assert "nfqueue-wget on old (replica) is left out" in running.well("compare", "--run", result.json["run"]).out


def test_missing_evidence_is_reported_and_the_rest_is_used(running: TestLab) -> None:
    """Without tcpdump the wire stage is "not traced", and the loss at confirm is still found."""
    with without(running, "old", "tcpdump"):
        result = running.well("run", "old", "-s", "nfqueue", "-n", "1", "--evidence", "--json")
    trial = shown(running, result, "old/nfqueue/2")
    (lost,) = [line for line in trial["lifelines"] if line["lost_at"]]

    assert lost["lost_at"] == "confirm returned"
    assert at(lost, "answer on the wire")["status"] == "not traced"
    text = running.well("show", result.json["run"], "old/nfqueue/2").out
    assert "not gathered: client.pcap" in text
    assert "not traced" in text


# Stands for the world outside of the test network: a resolver and a page at a documentation address (RFC 5737).
OUTSIDE = """
ip addr add 192.0.2.53/32 dev lo
dnsmasq --conf-file=/dev/null --user=root --no-resolv --no-hosts --listen-address=192.0.2.53 --bind-interfaces \\
  --pid-file=/run/outside.pid --address=/outside.example/192.0.2.53 --address=/outside.example/2001:db8::53
mkdir -p /run/outside && echo page >/run/outside/index.html
busybox httpd -p 192.0.2.53:80 -h /run/outside
"""
GONE = "kill $(cat /run/outside.pid) $(pgrep -f '[h]ttpd -p 192.0.2.53'); ip addr del 192.0.2.53/32 dev lo"


def test_a_real_resolver_stalls_on_old_and_the_lane_is_closed_again(running: TestLab) -> None:
    """The race is the same with a user's own resolver; afterwards the lane has no route out."""
    aim = ("--target", "www.outside.example", "--nameserver", "192.0.2.53")
    routes = running.ask("old", "ip route; cat /proc/sys/net/ipv4/ip_forward")
    running.ask("old", OUTSIDE)
    try:
        result = running.well("run", "old", "-s", "nfqueue", "-n", "1", "--evidence", "--json", *aim)
    finally:
        running.ask("old", GONE)
    trial = shown(running, result, "old/nfqueue/2")

    assert [line["qtype"] for line in trial["lifelines"] if line["lost_at"]] == ["AAAA"]
    assert "10.10.250.2 to 192.0.2.53" in at(trial["lifelines"][0], "on the wire")["detail"]
    assert running.ask("old", "ip route; cat /proc/sys/net/ipv4/ip_forward") == routes
    assert running.ask("old", LEFT_BEHIND) == ""


def test_a_machine_without_outside_network_skips_the_scenario(running: TestLab) -> None:
    """A replica's network is closed; that must not count as a failed lookup."""
    aim = ("--target", "www.example.com", "--nameserver", "192.0.2.53")
    result = running.run("run", "old", "-s", "baseline", "-n", "1", *aim)

    assert "has no route to 192.0.2.53" in result.err
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
