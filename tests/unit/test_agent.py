"""A scenario that brings a product along: its file, what goes into the machine, and how its trials are judged."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.catalogue import find
from lab.catalogue.agent import MOST_BYTES, Agent
from lab.catalogue.scenario import Scenario
from lab.catalogue.workaround import Unfit, apply, workarounds
from lab.evidence import product
from lab.evidence.errors import UnreadableError
from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.foundation.home import SCENARIOS
from lab.judgement.judged import judge_trial
from lab.judgement.outcome import Verdict
from lab.runs import experiment, lanes
from lab.runs.product import archive

RECORDED = Path(__file__).parents[1] / "evidence" / "products"

MINE = """title = "A product"
shows = "What it shows."
arms = true

[[step]]
do = "agent"
product = "Mine"
packages = ["mine-agent"]
files = [
  { source = "agent.py", mode = "0755" },
  { source = "conf/agent.conf", to = "/etc/mine/agent.conf" },
]
start = "exec ./agent.py"
ready = { queue = 3, log = "ready to go", timeout_s = 7 }
stop = "kill $(cat pid)"
rules = "*mangle"
queue = [3, 4]
leaves = ["/var/log/mine.log"]

[[step]]
do = "lookup"

[expected]
drop = "stalled"
"""


SERVICE = 'do = "service"\nproduct = "Mine"\nstart = "true"\nready = { file = "/run/mine" }\naddress = "127.0.0.5"'

FORWARDER = f"""title = "A forwarder"
shows = "What it shows."

[[step]]
{SERVICE}

[[step]]
do = "queue"
by = "iptables"

[[step]]
do = "lookup"
client = "node"

[expected]
drop = "stalled"
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Return a scenario's file, with the files of its product beside it."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "agent.py").write_bytes(b"#!/usr/bin/python3\n\x00\xff")
    (tmp_path / "conf/agent.conf").write_text("level = 2\n")
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    return path


def read(path: Path) -> Scenario:
    """Read a scenario's file."""
    (scenario,) = find.scenarios(SCENARIOS, [str(path)])
    return scenario


def agent(path: Path) -> Agent:
    """Read the product of a scenario's file."""
    found = read(path).agent
    assert found is not None
    return found


def test_a_product_takes_its_files_into_the_machine(mine: Path) -> None:
    """The archive has scripts, conditions, files and where they go; an unpacked file is the file, byte for byte."""
    package = mine.with_name("mine-agent_1_amd64.deb")
    package.write_bytes(b"a package")

    with tarfile.open(fileobj=io.BytesIO(archive(agent(mine), [package]))) as tar:
        content = {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]
        modes = {entry.name: entry.mode for entry in tar}

    assert content == {
        "start": b"exec ./agent.py\n",
        "stop": b"kill $(cat pid)\n",
        "rules": b"*mangle\n",
        "ready": b"queue 3\nlog ready to go\n",
        "timeout": b"7\n",
        "leaves": b"/var/log/mine.log\n",
        "places": b"0644 /etc/mine/agent.conf\n",
        "files/0": b"level = 2\n",
        "work/agent.py": b"#!/usr/bin/python3\n\x00\xff",
        "packages/mine-agent_1_amd64.deb": b"a package",
    }
    assert modes["work/agent.py"] == 0o755


def test_a_stored_scenario_has_the_files_of_its_product(mine: Path) -> None:
    """A run can be repeated from what is stored; a changed file is another scenario."""
    scenario = read(mine)
    stored = Scenario.model_validate_json(scenario.model_dump_json())
    (mine.parent / "agent.py").write_text("changed")

    assert stored == scenario
    assert read(mine) != scenario
    assert archive(agent(mine), []) != archive(scenario.agent or agent(mine), [])


def test_a_damaged_file_of_a_stored_scenario_is_a_clear_error(mine: Path) -> None:
    """A run's file may have been changed by hand."""
    found = agent(mine)
    for content in ("no base64!", "AAAA", found.files[0].content[:-8]):
        damaged = found.model_copy(update={"files": (found.files[0].model_copy(update={"content": content}),)})
        with pytest.raises(BrokenEnvironment, match=r"agent\.py is damaged"):
            archive(damaged, [])


@pytest.mark.parametrize(
    ("right", "wrong", "line", "says"),
    [
        ('"agent.py", mode', '"missing.py", mode', 9, "missing.py cannot be read: No such file"),
        ('"agent.py", mode', '"conf", mode', 9, "conf cannot be read"),
        ('"agent.py", mode', '"link.py", mode', 9, "outside of the scenario's directory"),
        ('"agent.py", mode', '"large.bin", mode', 9, f"more than {MOST_BYTES}"),
        ('"agent.py", mode', '"../agent.py", mode', 9, "source"),
        ('"agent.py", mode', '"conf/../../agent.py", mode', 9, "outside of the scenario's directory"),
        ('"agent.py", mode', '"/etc/passwd", mode', 9, "source"),
        ('"/etc/mine/agent.conf"', '"/etc/../mine.conf"', 9, "without '..'"),
        ('"/etc/mine/agent.conf"', '"/proc/sys/kernel/panic"', 9, "no file of a product can be below"),
        ('mode = "0755"', 'mode = "9"', 9, "mode"),
        ('["mine-agent"]', '["mine agent"]', 8, "packages"),
        ('["mine-agent"]', '["-o=Dir::Etc=x"]', 8, "packages"),
        ('start = "exec ./agent.py"', 'start = ""', 13, "start"),
        ("queue = 3, log = ", "lag = ", 14, "ready"),
        ('queue = 3, log = "ready to go", ', "", 14, "one of 'queue', 'port', 'log', 'rule' and 'file' is"),
        ("queue = [3, 4]", "queue = []", 17, "queue"),
        ("queue = [3, 4]", "queue = [70000]", 17, "queue"),
        ('"/var/log/mine.log"', '"/opt/lab/guest"', 18, "no file of a product"),
        ('do = "lookup"', 'do = "queue"\nby = "nfqdns"', 1, "no other step 'agent' or 'queue'"),
        ('do = "lookup"', SERVICE, 1, "a scenario brings one program along"),
    ],
)
def test_a_wrong_product_is_named_with_file_and_line(mine: Path, right: str, wrong: str, line: int, says: str) -> None:
    """The message has the file, the line and what is wrong, in one line; nothing outside of the directory is read."""
    (mine.parent / "link.py").symlink_to("/etc/hostname")
    (mine.parent / "large.bin").write_bytes(bytes(MOST_BYTES + 1))
    mine.write_text(MINE.replace(right, wrong))

    with pytest.raises(BadInput) as caught:
        read(mine)

    assert caught.value.message.startswith(f"{mine}:{line}: ")
    assert says in caught.value.message
    assert "\n" not in caught.value.message


def test_a_product_runs_in_one_lane(mine: Path) -> None:
    """It is started once; the trials of one lane can be distinguished in the kernel's trace."""
    scenario = read(mine)

    assert lanes.most(scenario, traced=False) == 1
    assert "brings=agent" in experiment.settings(scenario)
    assert scenario.queues_packets


@pytest.fixture
def forwarder(tmp_path: Path) -> Path:
    """Return a scenario's file, whose client asks a program that the scenario brings along."""
    path = tmp_path / "forwarder.toml"
    path.write_text(FORWARDER)
    return path


def test_a_forwarder_is_asked_by_the_client_and_starts_in_one_lane(forwarder: Path) -> None:
    """Its packages and the client's are sent; the lab's own verdict program gets the queries."""
    scenario = read(forwarder)

    assert {"brings=service", "nameserver=127.0.0.5", "queue=iptables"} <= set(experiment.settings(scenario))
    assert (scenario.packages, scenario.agent) == (("nodejs",), None)
    assert lanes.most(scenario, traced=False) == 1
    with tarfile.open(fileobj=io.BytesIO(archive(scenario.brought, []))) as tar:
        ready = tar.extractfile("ready")
        assert ready is not None
        assert ready.read() == b"file /run/mine\n"


def test_a_client_of_a_package_is_sent_without_a_program(forwarder: Path) -> None:
    """The scenario then has as many lanes as any other."""
    forwarder.write_text(FORWARDER.replace(f"[[step]]\n{SERVICE}\n\n", ""))
    scenario = read(forwarder)
    package = forwarder.with_name("nodejs_1_amd64.deb")
    package.write_bytes(b"a package")

    assert "brings=client" in experiment.settings(scenario)
    assert scenario.packages == ("nodejs",)
    assert lanes.most(scenario, traced=False) > 1
    with tarfile.open(fileobj=io.BytesIO(archive(scenario.brought, [package]))) as tar:
        assert tar.getnames() == ["packages/nodejs_1_amd64.deb"]


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ('do = "queue"\nby = "iptables"', 'do = "cache"', "either the 'service' at its address or the 'cache'"),
        ("[[step]]", '[network]\nshape = "forwarded"\n\n[[step]]', "where a client behind the lane does not reach it"),
        ("127.0.0.5", "10.10.10.53", "address"),
        ('file = "/run/mine"', 'file = "mine"', "file"),
    ],
)
def test_a_forwarder_that_cannot_be_asked_is_refused(forwarder: Path, right: str, wrong: str, says: str) -> None:
    """The message has the file and what is wrong."""
    forwarder.write_text(FORWARDER.replace(right, wrong, 1))

    with pytest.raises(BadInput) as caught:
        read(forwarder)

    assert str(forwarder) in caught.value.message
    assert says in caught.value.message


def test_a_cache_is_no_workaround_where_a_forwarder_is_asked(forwarder: Path) -> None:
    """A machine has one address in resolv.conf; a program that is not asked there, such as nscd, is no hindrance."""
    (cache,) = workarounds(SCENARIOS, ("cache",))

    unfit = apply(cache, read(forwarder))
    fit = apply(cache, find.scenarios(SCENARIOS, ["forwarder-nscd"])[0])

    assert isinstance(unfit, Unfit)
    assert unfit.reason == "its client asks a forwarder already"
    assert isinstance(fit, Scenario)


@pytest.mark.parametrize(
    ("files", "outcome", "reason"),
    [
        ({"agent.failed": "there is no /run/mine after 7 s\n"}, "not started", "Mine did not start: there is no /run"),
        ({"agent.status": "1\n"}, "failed", "Mine ended with exit status 1 while trials ran"),
        ({"queues.after": ""}, "inconclusive", "cannot determine whether a query was queued"),
    ],
)
def test_a_forwarder_is_judged_by_its_start_and_not_by_queues(
    forwarder: Path, tmp_path: Path, files: Mapping[str, str | None], outcome: str, reason: str
) -> None:
    """Queries pass the lab's verdict program, which has a log of them."""
    verdict = judged(tmp_path, read(forwarder), files)

    assert verdict.outcome == outcome
    assert reason in verdict.reason


ROW = "    3   1234     0 2 65531     0     0 {:8d}  1\n"

HEALTHY = {
    "client.json": '{"client": "curl", "http_code": "200", "lookup_s": 0.05, "connect_s": 0.06, "total_s": 0.07}',
    "client.status": "0\n",
    "queues.before": ROW.format(2),
    "queues.after": ROW.format(4),
    "agent.log": "starting\nready to go\n",
}


def judged(directory: Path, scenario: Scenario, files: Mapping[str, str | None]) -> Verdict:
    """Judge a trial with these raw files besides the healthy ones; None leaves one out."""
    trial = directory / "0001"
    trial.mkdir()
    for name, text in {**HEALTHY, **files}.items():
        if text is not None:
            (trial / name).write_text(text)
    return judge_trial(trial, scenario).verdict


@pytest.mark.parametrize(
    ("files", "outcome", "reason"),
    [
        (
            {"agent.failed": "it ended with exit status 1\n", "agent.log": "one\n\x1b[31mno queue\x07\n"},
            "not started",
            "Mine did not start: it ended with exit status 1; its last lines: one | no queue?",
        ),
        ({"agent.failed": "x", "agent.log": ""}, "not started", "Mine did not start: x; it printed nothing"),
        ({"agent.status": "139\n"}, "failed", "Mine ended with exit status 139 while trials ran"),
        ({"queues.after": ""}, "failed", "Mine stopped listening to queue 3"),
        ({"queues.after": ROW.format(2)}, "failed", "Mine ran, but no packet came to its queue 3, 4"),
        ({"queues.after": None}, "inconclusive", "cannot determine whether Mine got a query"),
        ({"agent.log": None}, "inconclusive", "there is no agent.log"),
        ({"agent.status": "many"}, "inconclusive", "agent.status is no exit status"),
        ({"agent.status": "0\n"}, "inconclusive", "cannot determine whether the race was armed"),
        ({}, "inconclusive", "cannot determine whether the race was armed"),
    ],
)
def test_a_trial_whose_product_did_not_do_its_part_is_never_healthy(
    mine: Path, tmp_path: Path, files: Mapping[str, str | None], outcome: str, reason: str
) -> None:
    """The lookups are quick in all of these: nothing was queued, or nothing shows that the race was armed."""
    verdict = judged(tmp_path, read(mine), files)

    assert verdict.outcome == outcome
    assert reason in verdict.reason


@pytest.mark.parametrize(
    ("name", "scenario", "outcome", "reason"),
    [
        (
            "old-opensnitch",
            "opensnitch",
            "stalled",
            "OpenSnitch took 51.3 ms for the first verdict, and the second query",
        ),
        (
            "new-opensnitch",
            "opensnitch",
            "healthy",
            "query id 46092 clashed at confirm, and left with the conntrack of",
        ),
        ("today-own-agent", "own-agent", "healthy", "had the conntrack of the first when it was reinjected: no clash"),
        ("old-own-agent-raw", "own-agent", "unarmed", "own-agent.py queued the queries before conntrack made an entry"),
        ("old-opensnitch-too-early", "opensnitch", "failed", "OpenSnitch ran, but no packet came to its queue 0"),
        (
            "today-opensnitch-not-started",
            "opensnitch",
            "not started",
            "OpenSnitch did not start: no rule in its lane has",
        ),
    ],
)
def test_recorded_trials_of_products_are_judged_by_their_packets(
    name: str, scenario: str, outcome: str, reason: str
) -> None:
    """Armed without a hold, by the kernel's trace; a lookup that is quick as nothing was queued is no evidence."""
    verdict = judge_trial(RECORDED / name, find.scenarios(SCENARIOS, [scenario])[0]).verdict

    assert verdict.outcome == outcome
    assert reason in verdict.reason
    assert outcome not in {"stalled", "healthy"} or verdict.armed


def test_a_retransmitted_query_that_passes_no_queue_is_another_attempt() -> None:
    """The product queues new flows only: the second attempt of either query is on the wire, and in no queue."""
    lifelines = judge_trial(RECORDED / "old-opensnitch", find.scenarios(SCENARIOS, ["opensnitch"])[0]).verdict.lifelines

    assert [(line.dns_id, line.attempt, line.is_dropped) for line in lifelines] == [
        (10236, 1, False),
        (14010, 1, True),
        (10236, 2, False),
        (14010, 2, False),
    ]
    assert all(line.contradictions == () for line in lifelines)


@given(text=st.text(max_size=200))
def test_any_list_of_queues_is_parsed_or_refused(text: str) -> None:
    """A guest's file may be damaged."""
    try:
        look = product.parse(failure=text, status=None, output=text, before=text, after=text)
    except UnreadableError:
        return
    assert look.queued((0, 1)) == 0
    assert all(line.isprintable() or not line.isascii() for line in look.output)
