"""The DNS clients on the host: their build, their command lines, and how each asks a server that loses a query."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.home import PROVISION
from tests.native.private_dns import ADDRESSES, Server, Told, ask, namespaces

CLIENTS = ("lookup-glibc", "lookup-musl", "lookup-cares", "lookup-sockets", "lookup-threads")

OWN = ("lookup-sockets", "lookup-threads")
"""Those that read answers by the lab's own code; the others are as good as their libraries."""

NAME = "www.lab.test"


@dataclass(frozen=True)
class Retry:
    """What a client does after it has lost an AAAA query.

    Attributes:
        after_s: For how long it waited.
        asks: What it asks then.
        ports: From how many ports it has asked in all.
    """

    after_s: float
    asks: tuple[str, ...]
    ports: int


RETRIES = {
    "lookup-glibc": Retry(5, ("A", "AAAA"), ports=1),
    "lookup-musl": Retry(2.5, ("AAAA",), ports=1),
    "lookup-cares": Retry(5, ("AAAA",), ports=1),
    "lookup-sockets": Retry(5, ("AAAA",), ports=3),
    "lookup-threads": Retry(5, ("AAAA",), ports=1),
}


def build(directory: Path, clients: tuple[str, ...], more_flags: str = "") -> Path:
    """Build clients apart from the sources, warnings being errors."""
    shutil.copytree(PROVISION / "clients", directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("lookup-*"))
    environment = os.environ | {"CFLAGS": f"-Werror {more_flags}"}
    subprocess.run(["make", "-s", "-C", directory, *clients], check=True, env=environment)
    return directory


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build them as a guest does."""
    return build(tmp_path_factory.mktemp("clients"), CLIENTS)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build those that read answers themselves, so that they end at the first byte that is not theirs."""
    guards = "-g -fsanitize=address,undefined -fno-sanitize-recover=all"
    return build(tmp_path_factory.mktemp("guarded"), OWN, guards)


@pytest.fixture(scope="module")
def network() -> None:
    """Skip where the machine lets nobody have a network of his own."""
    tried = subprocess.run([*namespaces(), "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"no namespaces here: {tried.stderr.strip()}")


@pytest.fixture(scope="module")
def after_a_loss(built: Path, network: None) -> dict[str, Told]:  # noqa: ARG001  a fixture takes no usefixtures
    """Lose each client's first AAAA query, all at the same time: they spend it waiting."""
    more = {"lookup-threads": ["--tries=3"]}
    with ThreadPoolExecutor(len(CLIENTS)) as pool:
        told = pool.map(
            lambda client: ask(Server.LOSES_THE_FIRST_AAAA, built / client, *more.get(client, []), NAME), CLIENTS
        )
        return dict(zip(CLIENTS, told, strict=True))


def printed(told: Told) -> dict[str, Any]:
    """Read the one line that a client prints."""
    assert len(told.stdout.splitlines()) == 1, told
    said = json.loads(told.stdout)
    assert isinstance(said, dict)
    return said


def ports(told: Told) -> set[int]:
    """Give the ports that queries came from."""
    return {query.port for query in told.queries}


def types(told: Told) -> list[str]:
    """Give the types asked for, in the order they came."""
    return [query.type for query in told.queries]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.usefixtures("network")
def test_both_answers_come_at_once(built: Path, client: str) -> None:
    """A client that is slow by itself, or misses a family, would show a stall where no packet was lost."""
    told = ask(Server.ANSWERS, built / client, NAME)

    said = printed(told)
    assert told.status == 0
    assert told.stderr == ""
    assert sorted(said.pop("addresses")) == sorted(ADDRESSES.values())
    assert 0 < said.pop("lookup_s") < 1
    assert said == {"client": client, "name": NAME, "lookups": 1, "stalled": 0}
    assert sorted(types(told)) == ["A", "AAAA"]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.usefixtures("network")
def test_only_sockets_asks_from_two_ports(built: Path, client: str) -> None:
    """One port is one flow to conntrack, where queries can clash; with two ports a scenario would say the contrary."""
    told = ask(Server.ANSWERS, built / client, NAME)

    assert len(ports(told)) == (2 if client == "lookup-sockets" else 1)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_lost_query_costs_the_resolvers_timeout(after_a_loss: dict[str, Told], client: str) -> None:
    """The timeout is what the lab studies: a client's stall must be as long as that of what it stands for."""
    told, retry = after_a_loss[client], RETRIES[client]

    said = printed(told)
    assert told.status == 0
    assert sorted(said["addresses"]) == sorted(ADDRESSES.values())
    # The lower bound is the resolver's, the upper is for a busy machine.
    assert retry.after_s - 0.1 < said["lookup_s"] < retry.after_s + 1.5
    assert said["stalled"] == 1


@pytest.mark.parametrize("client", CLIENTS)
def test_after_a_loss_each_asks_again_in_its_own_way(after_a_loss: dict[str, Told], client: str) -> None:
    """What is on the wire after a stall is compared with packets of real trials, and told to trainees."""
    told, retry = after_a_loss[client], RETRIES[client]

    assert sorted(types(told)[:2]) == ["A", "AAAA"]
    assert types(told)[2:] == list(retry.asks)
    assert len(ports(told)) == retry.ports


def test_threads_stops_at_the_first_stall(after_a_loss: dict[str, Told]) -> None:
    """A rare race is waited for once: more lookups would hide which of them stalled, and take the trial's time."""
    assert printed(after_a_loss["lookup-threads"])["lookups"] == 1


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.usefixtures("network")
def test_a_name_that_is_not_there_is_exit_status_6(built: Path, client: str) -> None:
    """A trial must tell a name that could not be resolved from one that was, and still have the time it took."""
    told = ask(Server.KNOWS_NO_NAME, built / client, NAME)

    said = printed(told)
    assert told.status == 6
    assert len(told.stderr.splitlines()) == 1
    assert NAME in told.stderr
    assert said["addresses"] == []
    assert 0 < said["lookup_s"] < 1
    assert said["stalled"] == 0


@pytest.mark.parametrize("client", OWN)
@pytest.mark.usefixtures("network")
def test_noise_is_passed_over(guarded: Path, client: str) -> None:
    """Whatever comes from the network, a client neither crashes nor takes it for an answer."""
    told = ask(Server.SENDS_NOISE_FIRST, "env", "ASAN_OPTIONS=detect_leaks=0", guarded / client, NAME)

    assert told.status == 0, told.stderr
    assert sorted(printed(told)["addresses"]) == sorted(ADDRESSES.values())
    assert sorted(types(told)) == ["A", "AAAA"]


@pytest.mark.parametrize("client", OWN)
@pytest.mark.usefixtures("network")
def test_where_no_server_listens_nobody_waits(built: Path, client: str) -> None:
    """A server that is gone would be taken for a lost packet if the lookup waited for it."""
    told = ask(Server.IS_NOT_THERE, built / client, NAME)

    said = printed(told)
    assert told.status == 6
    assert "refused" in told.stderr
    assert said["lookup_s"] < 1
    assert said["stalled"] == 0


@pytest.mark.usefixtures("network")
def test_a_refusal_that_the_other_thread_is_told_makes_nobody_wait(built: Path) -> None:
    """On a busy machine some refusals come between the two send()s; the program would report a stall that is none."""
    arguments = (built / "lookup-threads", "--tries", "100", NAME)

    with ThreadPoolExecutor() as pool:
        told = pool.map(lambda _: printed(ask(Server.IS_NOT_THERE, *arguments)), range(4))

    assert [(said["lookups"], said["stalled"]) for said in told] == [(100, 0)] * 4


@pytest.mark.usefixtures("network")
def test_threads_tries_with_a_new_socket_each_time(built: Path) -> None:
    """On a flow that conntrack knows already there is no race, so tries on one socket would be in vain."""
    told = ask(Server.ANSWERS, built / "lookup-threads", "--tries", "20", NAME)

    said = printed(told)
    assert said["lookups"] == 20
    assert said["stalled"] == 0
    assert sorted(said["addresses"]) == sorted(ADDRESSES.values())
    assert len(told.queries) == 40
    # A port may come twice by chance.
    assert 18 <= len(ports(told)) <= 20


@pytest.mark.usefixtures("network")
def test_threads_works_on_one_processor(built: Path) -> None:
    """Two threads that wait for each other on one processor must take turns: there may be only one in a guest."""
    processor = str(min(os.sched_getaffinity(0)))
    told = ask(Server.ANSWERS, "taskset", "-c", processor, built / "lookup-threads", "--tries=50", NAME)

    said = printed(told)
    assert told.status == 0
    assert said["lookups"] == 50
    assert said["lookup_s"] < 1


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a client that has nothing to ask."""
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=10, check=False)


@pytest.mark.parametrize("client", CLIENTS)
def test_help_has_an_example(built: Path, client: str) -> None:
    """People learn from it what the client stands for, and how long it waits."""
    told = run(built / client, "--help")

    assert told.returncode == 0
    assert f"  {client} nfqueue.lab.test\n" in told.stdout
    assert ("--tries" in told.stdout) == (client == "lookup-threads")
    assert f"which is {RETRIES[client].after_s:.1f} s" in told.stdout
    assert "Exit status: 0" in told.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["one.test", "two.test"],
        ["--nonsense", NAME],
        [""],
        ["."],
        ["a..b"],
        [".a"],
        ['a"b'],
        ["a\nb"],
        ["x" * 64],
        [".".join(["x" * 49] * 6)],
        ["--tries", "0", NAME],
        ["--tries", "x", NAME],
        ["--tries=99999999999999999999", NAME],
    ],
)
@pytest.mark.parametrize("client", CLIENTS)
def test_bad_usage_is_exit_status_2(built: Path, client: str, arguments: list[str]) -> None:
    """A mistake in a scenario must not pass for a lookup, and no name may break the JSON it goes into."""
    told = run(built / client, *arguments)

    assert told.returncode == 2
    assert told.stdout == ""
    assert told.stderr.startswith(client) or str(built / client) in told.stderr


def test_what_cannot_be_built_is_named_and_left_out(tmp_path: Path) -> None:
    """A CentOS guest has no musl: its build must go on, and say why a client is not there."""
    sources = shutil.copytree(PROVISION / "clients", tmp_path / "clients", ignore=shutil.ignore_patterns("lookup-*"))
    without = ["MUSL_CC=no-such-compiler", "HAS_CARES="]
    told = subprocess.run(["make", "-s", "-C", sources, *without], capture_output=True, text=True, check=False)

    assert told.returncode == 0, told.stderr
    assert sorted(path.name for path in sources.glob("lookup-*")) == [
        "lookup-glibc",
        "lookup-sockets",
        "lookup-threads",
    ]
    assert "lookup-musl is left out" in told.stderr
    assert "lookup-cares is left out" in told.stderr
