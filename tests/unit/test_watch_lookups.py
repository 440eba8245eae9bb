"""What `lab watch` counts as one lookup and as a stall, under load and with lost packets, too."""

from __future__ import annotations

import random

import pytest

from lab.diagnosis.conclusion import Answer
from lab.watch.exchanges import OPEN_MAX
from tests.watch_lines import A, Lines, clash, pair, socket_line, tick, watch


def test_a_healthy_lookup_is_counted_and_is_no_stall() -> None:
    """Both queries answered at once."""
    lines = Lines()
    lines.namespace(0)
    pair(lines, 1.5)
    watcher, stalls = watch(lines.until(12))

    assert stalls == []
    assert [(each.lookups, each.stalled) for each in watcher.tallies()] == [(1, 0)]


def test_a_query_that_a_queue_held_for_long_is_one_lookup_and_the_socket_is_no_second_stall() -> None:
    """Its socket was seen without any packet, until the verdict came."""
    lines = Lines()
    lines.namespace(0)
    for second in (3.0, 4.0, 5.0):
        lines.add(*socket_line(second, 2.0, 5))
    pair(lines, 5.5, port=41000)
    watcher, stalls = watch(lines.until(20))

    assert stalls == []
    assert watcher.tallies()[0].lookups == 1


@pytest.mark.parametrize(
    ("options", "open_s", "stalled"),
    [
        ("timeout:1", 1.0, True),
        ("timeout:0", 1.0, True),
        ("timeout:1", 0.8, False),
        ("timeout:3", 1.0, False),
        ("", 1.9, False),
    ],
)
def test_a_silent_lookup_is_a_stall_after_the_timeout_of_its_namespace(
    options: str, open_s: float, *, stalled: bool
) -> None:
    """Glibc waits a second at least; without options the shortest timeout is musl's."""
    lines = Lines()
    lines.namespace(0)
    lines.add(0.5, f"conf 0 {f'nameserver 10.0.0.53{chr(10)}options {options}{chr(10)}'.encode().hex()}")
    lines.add(*socket_line(2.0 + open_s, 2.0, 5))
    _, stalls = watch(lines.until(20))

    assert len(stalls) == stalled


def test_a_socket_that_is_closed_before_any_timeout_is_no_stall() -> None:
    """Programs open one to find the address by which they reach a server."""
    lines = Lines()
    lines.namespace(0)
    lines.add(*socket_line(3.2, 2.0, 5))
    _, stalls = watch(lines.until(20))

    assert stalls == []


def test_a_program_that_asks_by_one_socket_every_five_seconds_does_not_stall() -> None:
    """A proxy that refreshes a name at the resolver's own timeout: each time is a lookup."""
    lines = Lines()
    lines.namespace(0)
    for number in range(12):
        pair(lines, 1.5 + 5 * number, dns_id=100 + 2 * number)
    watcher, stalls = watch(lines.until(80))

    assert stalls == []
    assert watcher.tallies()[0].lookups == 12


def test_many_lookups_of_one_name_are_distinguished_although_ids_repeat() -> None:
    """Ids are 16 bits: with 200 lookups a second for 60 s each is used again within a lookup's time."""
    generator = random.Random(1)  # noqa: S311  nothing secret
    lines = Lines()
    lines.namespace(0)
    for number in range(12000):
        pair(lines, 1.0 + number / 200, port=32768 + generator.randrange(28000), dns_id=generator.randrange(65535))
    watcher, stalls = watch(lines.until(75))

    assert stalls == []
    assert watcher.tallies()[0].lookups + watcher.unfinished >= 11900


def test_answers_that_the_watch_itself_lost_are_no_stall() -> None:
    """A flood: the kernel had no room for packets of the watch's own socket."""
    lines = Lines()
    lines.namespace(0)
    lines.query(1.5, 0, 7, A, answered_s=None)
    lines.add(1.9, "lost 0 1000")
    watcher, stalls = watch(lines.until(12))

    assert stalls == []
    assert (watcher.unfinished, watcher.lost) == (1, 1000)


@pytest.mark.parametrize("present", [True, False])
def test_a_namespace_of_which_only_lost_packets_are_known_is_named(*, present: bool) -> None:
    """A flood in which all its lookups were lost: else nothing shows where the watch saw too little."""
    lines = Lines()
    lines.namespace(0)
    lines.add(1.9, "lost 0 1000")
    watcher, _ = watch([*lines.until(12), *([] if present else ["gone 0"])])
    (tally,) = watcher.tallies()

    assert (tally.lookups, tally.lost, tally.present) == (0, 1000, present)


def test_a_stall_at_a_time_of_lost_packets_is_counted_and_its_cause_is_not_guessed() -> None:
    """The retry shows that it waited; the missing query may be one that the watch lost."""
    lines = Lines()
    lines.namespace(0)
    clash(lines, 1.5)
    lines.add(1.9, "lost 0 3")
    _, (stall,) = watch(lines.until(20))

    assert (stall.answer, stall.cause, stall.lost) == (Answer.CANNOT_TELL, None, 3)
    assert "lost 3 packets" in stall.says


def test_more_lookups_at_once_than_can_be_followed_are_counted() -> None:
    """Memory is bounded in a flood."""
    lines = Lines()
    lines.namespace(0)
    for number in range(OPEN_MAX + 100):
        lines.query(1.5, 0, number % 65536, A, port=1024 + number % 60000, answered_s=None)
    watcher, _ = watch(list(lines.until(2)))

    assert watcher.left_out == 100


def test_a_wall_clock_that_is_set_changes_no_duration() -> None:
    """Durations are by the monotonic clock; the time of a stall is by the clock as it is then."""
    lines = Lines()
    lines.namespace(0)
    pair(lines, 1.5)
    stepped = [tick(2.2, step_s=86400), tick(3.2, step_s=-86400), tick(4.2)]
    watcher, stalls = watch([*lines.until(2), *stepped, *(tick(5.2 + second) for second in range(10))])

    assert stalls == []
    assert watcher.tallies()[0].lookups == 1


def test_many_stalls_in_a_second_are_counted_and_not_all_judged() -> None:
    """A dead server behind a busy program costs the watch no more than a bounded time."""
    lines = Lines()
    lines.namespace(0)
    for number in range(120):
        lines.query(1.5, 0, number, A, port=2000 + number, name=f"n{number}.lab.test", answered_s=None)
    watcher, stalls = watch(lines.until(20))

    assert len(stalls) == watcher.tallies()[0].stalled == 120
    assert sum("not judged" in stall.says for stall in stalls) == 70
