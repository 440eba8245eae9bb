"""`lab watch --trace`: queries that confirm is seen to have dropped, and the lookups that they belong to."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.commands.watch_request import WatchRequest
from lab.diagnosis.causes import Cause
from lab.diagnosis.conclusion import Answer
from lab.evidence import confirms
from lab.evidence.flow import Flow
from lab.present import watch_words
from lab.provision import btf
from lab.remote_check import look as looks
from lab.remote_check.packet_data import RHEL_7_OFFSET, find_offset
from lab.remote_check.reach import Here
from lab.watch.case import conclude_files
from lab.watch.confirmed import KEPT_MAX, ConfirmBook
from lab.watch.events import ConfirmSeen
from lab.watch.protocol import parse
from lab.watch.result import StallSeen, TraceState
from lab.watch.watcher import Watcher
from tests.unit.test_watch_results import STALL, WATCHED
from tests.watch_lines import AAAA, CLIENT, SERVER, A, Lines, ns, watch

DROP, ACCEPT = 0, 1
"""NF_DROP and NF_ACCEPT, linux/netfilter.h."""

BTF = Path(__file__).parents[1] / "btf" / "7.2.13+deb14-cloud-amd64"


def confirm(  # noqa: PLR0913  what a query is
    time_s: float, returned: int, dns_id: int, *, source: str = CLIENT, port: int = 40000, server: str = SERVER
) -> str:
    """Return the line of a query that was passed to confirm."""
    ends = [ipaddress.ip_address(each).packed.hex() for each in (source, server)]
    return f"k {ns(time_s)} {returned} {ends[0]} {port} {ends[1]} 53 {dns_id}"


def clash(lines: Lines, number: int = 0, time_s: float = 1.5, *, again: int = 8) -> None:
    """Add a lookup whose AAAA query, id 8, is lost before the wire; after 5 s both are asked again."""
    lines.query(time_s, number, 7, A)
    lines.query(time_s + 5, number, 7, A)
    lines.query(time_s + 5.002, number, again, AAAA)


def followed(lines: Lines) -> tuple[Watcher, list[StallSeen], list[Mapping[str, bytes]]]:
    """Return a watcher that traces, its stalls and the files of each."""
    saved: list[Mapping[str, bytes]] = []

    def save(_number: int, _namespace: str, files: Mapping[str, bytes]) -> None:
        saved.append(files)

    watcher, stalls = watch(lines.until(20), Watcher(save=save, traces=True))
    return watcher, stalls, saved


def test_a_query_dropped_at_confirm_is_certain_and_its_files_say_so() -> None:
    """No counter is needed; `lab diagnose` comes to the same from the stored files."""
    lines = Lines()
    lines.namespace(0)
    clash(lines)
    lines.add(1.55, confirm(1.55, ACCEPT, 7))
    lines.add(1.56, confirm(1.55, DROP, 8))
    watcher, (stall,), (files,) = followed(lines)

    assert (stall.answer, stall.cause, stall.certain) == (Answer.THIS_BUG, Cause.CLASH, True)
    assert stall.dropped_at_confirm == 1
    assert "confirm dropped it" in stall.says
    assert watcher.tallies()[0].dropped == 1
    assert watcher.trace == TraceState(confirms=2, dropped=1)
    assert "id 8" in files["confirm"].decode()
    assert conclude_files(files).sentence == stall.says


@pytest.mark.parametrize(
    ("line", "dropped"),
    [
        (confirm(1.5, DROP, 8), 1),
        (confirm(1.5, DROP, 8, source="192.0.2.1"), 1),  # translated: same port and id
        (confirm(1.5, DROP, 9), 1),  # same address and port: a retry with another id
        (confirm(1.5, DROP, 9, source="192.0.2.1"), 0),  # same port, of another container
        (confirm(1.5, DROP, 8, port=40001), 0),
        (confirm(18.5, DROP, 8), 0),  # the port was used again
    ],
)
def test_a_drop_belongs_to_a_lookup_by_its_port_and_its_address_or_id(line: str, dropped: int) -> None:
    """Never by time alone: another lookup that was dropped at the same moment is another one's."""
    lines = Lines()
    lines.namespace(0)
    clash(lines)
    lines.add(1.6, line)
    watcher, (stall,), _ = followed(lines)

    assert stall.dropped_at_confirm == dropped
    assert watcher.trace == TraceState(confirms=1, dropped=1)


def test_a_stall_beside_another_lookup_s_drop_is_not_called_this_bug() -> None:
    """A server that does not answer, while another container's query is dropped."""
    lines = Lines()
    lines.namespace(0)
    lines.namespace(1)
    clash(lines, 0)
    lines.add(1.6, confirm(1.5, DROP, 8))
    for time_s in (1.5, 6.5):
        for dns_id, qtype in ((8, A), (9, AAAA)):
            lines.query(time_s, 1, dns_id, qtype, port=50000, name="other.lab.test", answered_s=None)
    _, stalls, _ = followed(lines)

    assert {(stall.inode & 1, stall.dropped_at_confirm, stall.answer) for stall in stalls} == {
        (0, 1, Answer.THIS_BUG),
        (1, 0, Answer.ANOTHER_CAUSE),
    }


def test_packets_that_the_watch_lost_do_not_make_a_seen_drop_unsure() -> None:
    """An inferred one they do."""
    for traced in (True, False):
        lines = Lines()
        lines.namespace(0)
        lines.counters(0.9, 0)
        lines.counters(1.9, 0, insert_failed=1, drop=1)
        clash(lines)
        lines.add(2.0, "lost 0 3")
        if traced:
            lines.add(1.6, confirm(1.5, DROP, 8))
        _, (stall,), _ = followed(lines)

        assert stall.answer is (Answer.THIS_BUG if traced else Answer.CANNOT_TELL)
        assert stall.certain == traced


@pytest.mark.parametrize(("server", "dropped"), [(SERVER, 2), ("192.0.2.53", 0)])
def test_a_socket_without_packets_is_matched_by_its_port_and_server(server: str, dropped: int) -> None:
    """Both queries were dropped: nothing came to the wire."""
    lines = Lines()
    lines.namespace(0)
    for second in range(1, 5):
        at, since = ns(2.0 + second), ns(2.0)
        lines.add(2.0 + second, f"s 0 {at} {since} 41000 5 3500000A 99 {b'app'.hex()} -")
    for dns_id in (7, 8):
        lines.add(2.1, confirm(2.05, DROP, dns_id, port=41000, server=server))
    _, (stall,), _ = followed(lines)

    assert stall.dropped_at_confirm == dropped
    assert (stall.answer is Answer.THIS_BUG) == bool(dropped)


def test_without_a_trace_there_is_nothing_about_one() -> None:
    """The member is null, not 0: nothing was looked at."""
    lines = Lines()
    lines.namespace(0)
    clash(lines)
    lines.add(1.6, confirm(1.5, DROP, 8))
    watcher, (stall,) = watch(lines.until(20))

    assert stall.dropped_at_confirm is None
    assert watcher.trace is None


def test_a_trace_that_is_refused_is_named_and_the_watch_goes_on() -> None:
    """As are events that it lost."""
    lines = Lines()
    lines.namespace(0)
    clash(lines)
    lines.add(0.5, "traced")
    lines.add(1.0, "klost 7")
    lines.add(2.0, f"untraced {b'it was killed'.hex()}")
    watcher, stalls, _ = followed(lines)

    assert len(stalls) == 1
    assert watcher.trace == TraceState(lost=7, why_not="it was killed")
    assert watch_words.traced(TraceState(why_not="it was killed")) == "confirm is not traced: it was killed"
    assert "the trace lost 7 events" in watch_words.traced(TraceState(3, 1, 7))


def test_the_queries_that_are_kept_are_bounded() -> None:
    """The oldest ones are forgotten first."""
    book = ConfirmBook()
    address = bytes(4)
    for number in range(KEPT_MAX + 1000):
        book.take(ConfirmSeen(number, ACCEPT, address, number & 0xFFFF, address, 53, 1))

    assert book.confirms == KEPT_MAX + 1000
    assert sum(len(known) for known in book._by_port.values()) == KEPT_MAX  # noqa: SLF001  its memory is the point
    assert not book.of_socket(0, "10.0.0.1", 0, 0)


@pytest.mark.parametrize(("source", "server"), [(CLIENT, SERVER), ("fd00::9", "fd00::53")])
def test_a_saved_line_is_read_as_it_was_written(source: str, server: str) -> None:
    """Over IPv4 and IPv6."""
    of = Flow(source, 40000, server, 53)
    line = confirms.confirm_line(1_795_000_000_000_000, DROP, of, 8)
    (read,) = confirms.parse([(1, line)])

    assert confirms.is_line(line)
    assert (read.flow, read.sport, read.dns_id, read.returned, read.sure) == (of, 40000, 8, DROP, True)


@pytest.mark.parametrize(
    "line",
    [
        "k 1 0 0a000009 40000 0a000035 53",
        "k 1 0 0a000009 70000 0a000035 53 8",
        "k 1 0 0a0000 40000 0a000035 53 8",
        "k 1 0 0a000009 40000 fd000000000000000000000000000053 53 8",
        "k 1 -1 0a000009 40000 0a000035 53 8",
        "klost x",
        "traced 1",
        "untraced 7",
    ],
)
def test_a_damaged_line_of_the_trace_is_no_event(line: str) -> None:
    """It is counted as unread."""
    assert parse(line) is None


@given(st.text(alphabet="0123456789abcdef -klost", max_size=80))
def test_any_line_of_the_trace_is_parsed_or_refused(rest: str) -> None:
    """Never an error."""
    for kind in ("k", "klost", "traced", "untraced"):
        parse(f"{kind} {rest}")


@pytest.mark.parametrize(
    ("stalled", "dropped", "says"),
    [
        (1, 1, "; a query of the stalled lookup was seen to be dropped at confirm"),
        (3, 2, "; a query of 2 of the 3 stalled lookups was seen to be dropped at confirm"),
        (3, 0, ""),
    ],
)
def test_the_sentence_says_how_many_drops_were_seen(stalled: int, dropped: int, says: str) -> None:
    """And nothing without any."""
    tally = replace(WATCHED.namespaces[0], stalled=stalled, causes={Cause.CLASH: stalled}, dropped=dropped)
    sentence = watch_words.sentence(replace(WATCHED, namespaces=(tally,)))

    assert says in sentence
    assert ("confirm" in sentence.partition("docker")[2]) == bool(says)
    assert STALL.dropped_at_confirm is None


LOOK = """== uname
Linux
{kernel}
x86_64
node7
== user
0
== system
CentOS Linux 7
== loaded
== modules
supported
== depends
== config
== options
"""


class Machine(Here):
    """A machine, as far as its types are concerned."""

    def __init__(self, types: bytes | None) -> None:
        self.types = types

    def read(self, path: str) -> bytes | None:
        """Return its types."""
        assert path == "/sys/kernel/btf/vmlinux"
        return self.types


@pytest.mark.parametrize(
    ("kernel", "types", "offset"),
    [
        ("7.2.13+deb14-cloud-amd64", BTF.read_bytes(), 208),
        ("3.10.0-1127.el7.x86_64", None, RHEL_7_OFFSET),
        ("3.10.0-1160.119.1.el7.x86_64", None, RHEL_7_OFFSET),
        ("3.10.0-1127.el7.aarch64", None, None),
        ("3.10.108", None, None),
        ("4.18.0-80.el8.x86_64", None, None),
        ("3.10.0-1127.el7.x86_64", b"damaged", None),
    ],
)
def test_the_offset_of_a_packet_s_data_is_the_kernel_s_or_unknown(
    kernel: str, types: bytes | None, offset: int | None
) -> None:
    """A wrong one would read other memory."""
    assert find_offset(Machine(types), looks.parse(LOOK.format(kernel=kernel))) == offset


def test_this_machine_s_types_are_read() -> None:
    """Where it has them; the offset is a pointer's."""
    path = Path("/sys/kernel/btf/vmlinux")
    if not path.exists():
        pytest.skip("this kernel has no BTF")
    assert btf.parse(path.read_bytes()).offset("sk_buff", "data") % 8 == 0


def test_the_program_is_asked_to_trace_only_with_an_offset() -> None:
    """`--trace` without one is a watch without a trace."""
    assert "--trace" not in WatchRequest(trace=True).arguments()
    assert WatchRequest(trace=True).arguments(208)[-2:] == ["--trace", "208"]
