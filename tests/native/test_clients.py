"""The DNS clients on the host: build, command line, and how each retransmits after a lost query."""

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

from lab.foundation.home import PROVISION
from tests.native.private_dns import ADDRESSES, Outcome, Server, ask, namespaces

CLIENTS = ("lookup-glibc", "lookup-musl", "lookup-cares", "lookup-sockets", "lookup-threads")

OWN = ("lookup-sockets", "lookup-threads")
"""Clients that parse answers with the lab's code; the others rely on their libraries."""

NEIGHBOURS = "lookup-clients"
"""The client that needs two addresses besides the loopback's."""

WITH_TWO_ADDRESSES = (
    "sh",
    "-euc",
    """
ip link add two type veth peer name other
ip addr add 192.0.2.11/32 dev two
ip addr add 192.0.2.12/32 dev two
ip link set two up
exec "$@"
""",
    "sh",
)
"""Command that runs another one on a machine with two addresses."""

NAME = "www.lab.test"


@dataclass(frozen=True)
class Retry:
    """What a client does after it has lost an AAAA query.

    Attributes:
        after_s: How long it waited, in seconds.
        asks: Query types that it sends then.
        ports: Number of source ports used in all.
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
    """Build the clients outside of the source directory, with warnings as errors."""
    shutil.copytree(PROVISION / "clients", directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("lookup-*"))
    environment = os.environ | {"CFLAGS": f"-Werror {more_flags}"}
    subprocess.run(["make", "-s", "-C", directory, *clients], check=True, env=environment)
    return directory


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the clients as a guest does."""
    return build(tmp_path_factory.mktemp("clients"), (*CLIENTS, NEIGHBOURS))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the clients that parse answers themselves, with sanitizers that stop at the first bad access."""
    guards = "-g -fsanitize=address,undefined -fno-sanitize-recover=all"
    return build(tmp_path_factory.mktemp("guarded"), OWN, guards)


@pytest.fixture(scope="module")
def network() -> None:
    """Skip the test where new network namespaces are not allowed."""
    tried = subprocess.run([*namespaces(), "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"no namespaces here: {tried.stderr.strip()}")


@pytest.fixture(scope="module")
def after_a_loss(built: Path, network: None) -> dict[str, Outcome]:  # noqa: ARG001  a fixture takes no usefixtures
    """Drop each client's first AAAA query, all at the same time because each waits for its timeout."""
    more = {"lookup-threads": ["--tries=3"]}
    with ThreadPoolExecutor(len(CLIENTS)) as pool:
        observed = pool.map(
            lambda client: ask(Server.LOSES_THE_FIRST_AAAA, built / client, *more.get(client, []), NAME), CLIENTS
        )
        return dict(zip(CLIENTS, observed, strict=True))


def printed(observed: Outcome) -> dict[str, Any]:
    """Parse the one line that a client prints."""
    assert len(observed.stdout.splitlines()) == 1, observed
    report = json.loads(observed.stdout)
    assert isinstance(report, dict)
    return report


def ports(observed: Outcome) -> set[int]:
    """Return the source ports of the queries."""
    return {query.port for query in observed.queries}


def types(observed: Outcome) -> list[str]:
    """Return the query types in order of arrival."""
    return [query.type for query in observed.queries]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.usefixtures("network")
def test_a_lookup_without_loss_gets_both_answers_at_once(built: Path, client: str) -> None:
    """A slow client, or one that misses an address family, would look like a stall without a lost packet."""
    observed = ask(Server.ANSWERS, built / client, NAME)

    report = printed(observed)
    assert observed.status == 0
    assert observed.stderr == ""
    assert sorted(report.pop("addresses")) == sorted(ADDRESSES.values())
    assert 0 < report.pop("lookup_s") < 1
    assert report == {"client": client, "name": NAME, "lookups": 1, "stalled": 0}
    assert sorted(types(observed)) == ["A", "AAAA"]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.usefixtures("network")
def test_only_the_sockets_client_uses_two_ports(built: Path, client: str) -> None:
    """One port is one conntrack flow, in which queries can clash; a scenario relies on which client uses two."""
    observed = ask(Server.ANSWERS, built / client, NAME)

    assert len(ports(observed)) == (2 if client == "lookup-sockets" else 1)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_lost_query_costs_the_resolvers_timeout(after_a_loss: dict[str, Outcome], client: str) -> None:
    """The stall must last as long as the timeout of the resolver that the client stands for."""
    observed, retry = after_a_loss[client], RETRIES[client]

    report = printed(observed)
    assert observed.status == 0
    assert sorted(report["addresses"]) == sorted(ADDRESSES.values())
    # The lower bound is the resolver's timeout; the upper one allows for a busy machine.
    assert retry.after_s - 0.1 < report["lookup_s"] < retry.after_s + 1.5
    assert report["stalled"] == 1


@pytest.mark.parametrize("client", CLIENTS)
def test_each_client_retransmits_as_its_resolver_does(after_a_loss: dict[str, Outcome], client: str) -> None:
    """Packets after a stall are compared with those of real trials and explained to trainees."""
    observed, retry = after_a_loss[client], RETRIES[client]

    assert sorted(types(observed)[:2]) == ["A", "AAAA"]
    assert types(observed)[2:] == list(retry.asks)
    assert len(ports(observed)) == retry.ports


def test_the_threads_client_stops_at_the_first_stall(after_a_loss: dict[str, Outcome]) -> None:
    """More lookups would hide which of them stalled, and would take the trial's time."""
    assert printed(after_a_loss["lookup-threads"])["lookups"] == 1


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.usefixtures("network")
def test_an_unknown_name_is_exit_status_6(built: Path, client: str) -> None:
    """A trial must distinguish a failed lookup from a successful one, and record its time."""
    observed = ask(Server.KNOWS_NO_NAME, built / client, NAME)

    report = printed(observed)
    assert observed.status == 6
    assert len(observed.stderr.splitlines()) == 1
    assert NAME in observed.stderr
    assert report["addresses"] == []
    assert 0 < report["lookup_s"] < 1
    assert report["stalled"] == 0


@pytest.mark.parametrize("client", OWN)
@pytest.mark.usefixtures("network")
def test_malformed_answers_are_ignored(guarded: Path, client: str) -> None:
    """No packet from the network crashes a client or is taken for an answer by mistake."""
    observed = ask(Server.SENDS_NOISE_FIRST, "env", "ASAN_OPTIONS=detect_leaks=0", guarded / client, NAME)

    assert observed.status == 0, observed.stderr
    assert sorted(printed(observed)["addresses"]) == sorted(ADDRESSES.values())
    assert sorted(types(observed)) == ["A", "AAAA"]


@pytest.mark.parametrize("client", OWN)
@pytest.mark.usefixtures("network")
def test_a_client_does_not_wait_when_no_server_listens(built: Path, client: str) -> None:
    """A lookup that waited for a stopped server would look like a lost packet."""
    observed = ask(Server.IS_NOT_THERE, built / client, NAME)

    report = printed(observed)
    assert observed.status == 6
    assert "refused" in observed.stderr
    assert report["lookup_s"] < 1
    assert report["stalled"] == 0


@pytest.mark.usefixtures("network")
def test_a_refusal_received_by_the_other_thread_is_not_a_stall(built: Path) -> None:
    """On a busy machine a refusal can arrive between the two send()s; it must not count as a stall."""
    arguments = (built / "lookup-threads", "--tries", "100", NAME)

    with ThreadPoolExecutor() as pool:
        observed = pool.map(lambda _: printed(ask(Server.IS_NOT_THERE, *arguments)), range(4))

    assert [(report["lookups"], report["stalled"]) for report in observed] == [(100, 0)] * 4


@pytest.mark.usefixtures("network")
def test_the_threads_client_opens_a_new_socket_for_each_attempt(built: Path) -> None:
    """On a flow that conntrack already knows there is no race, so attempts on one socket would be useless."""
    observed = ask(Server.ANSWERS, built / "lookup-threads", "--tries", "20", NAME)

    report = printed(observed)
    assert report["lookups"] == 20
    assert report["stalled"] == 0
    assert sorted(report["addresses"]) == sorted(ADDRESSES.values())
    assert len(observed.queries) == 40
    # A port may be chosen twice by chance.
    assert 18 <= len(ports(observed)) <= 20


@pytest.mark.usefixtures("network")
def test_the_threads_client_works_on_one_processor(built: Path) -> None:
    """Threads that wait for each other must take turns: a guest may have only one processor."""
    processor = str(min(os.sched_getaffinity(0)))
    observed = ask(Server.ANSWERS, "taskset", "-c", processor, built / "lookup-threads", "--tries=50", NAME)

    report = printed(observed)
    assert observed.status == 0
    assert report["lookups"] == 50
    assert report["lookup_s"] < 1


@pytest.mark.usefixtures("network")
def test_two_clients_use_one_port_and_a_new_one_for_each_attempt(built: Path) -> None:
    """Behind a masquerading gateway only one port can clash."""
    once = ask(Server.ANSWERS, *WITH_TWO_ADDRESSES, built / NEIGHBOURS, NAME)
    often = ask(Server.ANSWERS, *WITH_TWO_ADDRESSES, built / NEIGHBOURS, "--tries=20", NAME)

    assert (once.status, once.stderr) == (0, "")
    assert sorted(printed(once)["addresses"]) == sorted(ADDRESSES.values())
    assert (len(ports(once)), sorted(types(once))) == (1, ["A", "AAAA"])
    assert printed(often)["lookups"] == 20
    # A port may be chosen twice by chance.
    assert 18 <= len(ports(often)) <= 20


@pytest.mark.usefixtures("network")
def test_two_clients_retransmit_only_what_was_lost(built: Path) -> None:
    """It waits one timeout, as a client does whose packet clashed with another client's."""
    observed = ask(Server.LOSES_THE_FIRST_AAAA, *WITH_TWO_ADDRESSES, built / NEIGHBOURS, "--tries=3", NAME)

    report = printed(observed)
    assert (report["lookups"], report["stalled"]) == (1, 1)
    assert sorted(types(observed)) == ["A", "AAAA", "AAAA"]


@pytest.mark.usefixtures("network")
def test_two_clients_need_two_addresses(built: Path) -> None:
    """Without them there is no lookup, and the message says why."""
    observed = ask(Server.ANSWERS, built / NEIGHBOURS, NAME)

    assert (observed.status, observed.queries) == (6, [])
    assert "does not have two IPv4 addresses" in observed.stderr


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a client that sends no query."""
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=10, check=False)


@pytest.mark.parametrize("client", CLIENTS)
def test_help_has_an_example(built: Path, client: str) -> None:
    """Help says which resolver the client stands for and how long it waits."""
    result = run(built / client, "--help")

    assert result.returncode == 0
    assert f"  {client} nfqueue.lab.test\n" in result.stdout
    assert ("--tries" in result.stdout) == (client == "lookup-threads")
    assert f"which is {RETRIES[client].after_s:.1f} s" in result.stdout
    assert "Exit status: 0" in result.stdout


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
    """A mistake in a scenario must not pass for a lookup, and no name may break the JSON output."""
    result = run(built / client, *arguments)

    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith(client) or str(built / client) in result.stderr


def test_clients_that_cannot_be_built_are_named_and_left_out(tmp_path: Path) -> None:
    """A CentOS guest has no musl: its build must continue and say why a client is missing."""
    sources = shutil.copytree(PROVISION / "clients", tmp_path / "clients", ignore=shutil.ignore_patterns("lookup-*"))
    without = ["MUSL_CC=no-such-compiler", "HAS_CARES="]
    result = subprocess.run(["make", "-s", "-C", sources, *without], capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in sources.glob("lookup-*")) == [
        NEIGHBOURS,
        "lookup-glibc",
        "lookup-sockets",
        "lookup-threads",
    ]
    assert "lookup-musl is left out" in result.stderr
    assert "lookup-cares is left out" in result.stderr
