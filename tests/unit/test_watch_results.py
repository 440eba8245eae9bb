"""What `lab watch` prints and stores: metrics, comparisons, sentences, captures, and files that are refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import fisher_exact

from lab.bench import watching
from lab.commands.watch_compare import compare_watches
from lab.diagnosis.causes import Cause
from lab.diagnosis.conclusion import Answer, conclude
from lab.diagnosis.material import Capture, Unknown
from lab.diagnosis.recognise import recognise
from lab.evidence import capture, frames, unsent
from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.present import watch_words
from lab.present.json import dispatch
from lab.watch.before_after import ComparedCounts
from lab.watch.events import PacketSeen
from lab.watch.metrics import metrics_text
from lab.watch.pcapng import capture_file
from lab.watch.result import GetentLookup, NamespaceTally, StallCount, StallSeen, Watched
from tests.command_line import lab
from tests.watch_lines import AAAA, CLIENT, SERVER, message, packet

STALL = StallSeen(
    number=1,
    time="2026-11-29T12:00:00.000Z",
    namespace="docker abababababab",
    inode=4026532178,
    name="www.lab.test",
    qtypes=("A", "AAAA"),
    waited_s=5.003,
    process="getent[7] in docker abababababab",
    answer=Answer.THIS_BUG,
    cause=Cause.CLASH,
    certain=False,
    says="it fits this bug: ...",
    rose={"insert_failed": 1},
    lost=0,
    saved=Path("stalls/1"),
)
TALLY = NamespaceTally(
    'docker "a\\b"\n',
    4026532178,
    present=True,
    lookups=200,
    stalled=2,
    causes={Cause.CLASH: 2},
    last=Cause.CLASH,
    lost=3,
)
WATCHED = Watched(
    machine="this machine",
    kernel="6.1.0",
    distribution="Debian",
    replica=False,
    began="2026-11-29T12:00:00Z",
    watched_s=600.0,
    namespaces=(TALLY,),
    quiet=4,
    stalls=(STALL,),
    made=(GetentLookup(0.01, found=True),),
    lost=3,
    left_out=0,
    unfinished=1,
    not_seen=("network namespace 7 cannot be watched: Operation not permitted",),
    ended="",
)


def test_metrics_are_an_exposition_that_prometheus_can_read() -> None:
    """Each sample is of a declared family, and labels are escaped."""
    lines = metrics_text(WATCHED).splitlines()
    declared = {line.split()[2] for line in lines if line.startswith("# TYPE ")}
    samples = [line for line in lines if not line.startswith("#")]
    sample = re.compile(r'(?P<name>[a-z_]+)(?:\{(?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)+\})? \d+(?:\.\d+)?')

    assert all(sample.fullmatch(line) for line in samples), samples
    assert {match["name"] for line in samples if (match := sample.fullmatch(line))} == declared
    assert f'cause="{Cause.CLASH}"}} 2' in metrics_text(WATCHED)


def test_a_restarted_container_has_one_sample_in_the_metrics_and_one_row_in_a_comparison(tmp_path: Path) -> None:
    """Its second namespace may have the name and the inode of the first; a sample that occurs twice is refused."""
    watched = replace(WATCHED, namespaces=(TALLY, replace(TALLY, present=False, lookups=50, stalled=1, causes={})))
    samples = [line.rpartition(" ")[0] for line in metrics_text(watched).splitlines() if not line.startswith("#")]
    path = tmp_path / "watch.json"
    path.write_text(f"{dispatch.line(watched)}\n")
    compared = compare_watches(path, path).data

    assert len(samples) == len(set(samples))
    assert next(line for line in metrics_text(watched).splitlines() if "lookups_total{" in line).endswith(" 250")
    assert [each.before for each in compared.namespaces] == [compared.total.before] == [StallCount(3, 250)]


def test_the_sentence_has_the_share_its_interval_and_the_causes() -> None:
    """And not the machine's name."""
    sentence = watch_words.sentence(WATCHED)

    assert "in 10 min 2 of 200 DNS lookups stalled (1.0 %, 95 % interval 0.3-3.6 %)" in sentence
    assert str(Cause.CLASH) in sentence
    assert "lost 3 packets" in sentence
    assert "this machine" not in sentence


@pytest.mark.parametrize(
    ("namespaces", "quiet", "says"),
    [
        ((), 0, "in 10 min no DNS lookup was seen. "),
        ((), 1, "in 10 min no DNS lookup was seen. "),
        ((), 27, "in 10 min no DNS lookup was seen in any of 27 network namespaces. "),
        ((TALLY,), 4, "in 1 network namespace. "),
        ((TALLY, replace(TALLY, namespace="web")), 4, "in 2 network namespaces. "),
    ],
)
def test_the_sentence_counts_namespaces_in_plain_english(
    namespaces: tuple[NamespaceTally, ...], quiet: int, says: str
) -> None:
    """None, one, or several."""
    sentence = watch_words.sentence(replace(WATCHED, namespaces=namespaces, quiet=quiet, lost=0))

    assert says in sentence


@pytest.mark.parametrize(("before", "after"), [((9, 100), (0, 100)), ((1, 20), (0, 20)), ((0, 5), (0, 5))])
def test_a_comparison_is_fisher_s_exact_test(before: tuple[int, int], after: tuple[int, int]) -> None:
    """As scipy computes it."""
    counts = ComparedCounts("", StallCount(*before), StallCount(*after))
    table = [[stalled, of - stalled] for stalled, of in (before, after)]

    assert counts.p_value == pytest.approx(fisher_exact(table).pvalue)
    assert counts.differs == (fisher_exact(table).pvalue < 0.05)


def test_two_outputs_of_a_watch_are_compared_by_namespace(tmp_path: Path) -> None:
    """The last document of each file counts; the lines of stalls before it do not."""
    path = tmp_path / "before.json"
    path.write_text(f"{dispatch.line(STALL)}\n{dispatch.line(WATCHED)}\n")
    done = lab(tmp_path, "watch", "--before", str(path), "--after", str(path), "--json")
    document = json.loads(done.stdout)

    assert done.returncode == 0, done.stderr
    assert document["total"]["stalled_before"]["lookups"] == 200
    assert [each["namespace"] for each in document["by_namespace"]] == [TALLY.namespace]
    assert document["total"]["p_value"] == 1
    assert "may be chance" in lab(tmp_path, "watch", "--before", str(path), "--after", str(path)).stdout


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        '{"namespaces": 7}',
        '{"namespaces": [{"namespace": "a", "stalled": 3, "lookups": 2}]}',
        '{"namespaces": [{"namespace": "a", "stalled": "x", "lookups": 2}]}',
        '{"namespaces": [{"namespace": "a", "stalled": 1, "lookups": Infinity}]}',
        '{"namespaces": [{"namespace": "a", "stalled": 1, "lookups": 1' + "0" * 400 + "}]}",
        '{"namespaces": []}',
        "[" * 5000,
    ],
)
def test_a_file_that_is_no_watch_is_refused_by_name(tmp_path: Path, content: str) -> None:
    """One line, with what to do."""
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(BadInput, match=r"a\.json"):
        compare_watches(path, path)
    with pytest.raises(BadInput, match=r"none\.json"):
        compare_watches(tmp_path / "none.json", path)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--for", "10"],
        ["--for", "0s"],
        ["--for", "40d"],
        ["-n", "3"],
        ["--lookup", ""],
        ["--lookup", "-x"],
        ["--before", "a.json"],
        ["--before", "a.json", "--after", "b.json", "--lookup", "x.test"],
        ["--before", "a.json", "--after", "b.json", "--save", "stalls"],
        ["--port", "70000"],
        [part for port in range(1, 10) for part in ("--port", str(port))],
    ],
)
def test_bad_usage_is_refused_before_anything_is_done(tmp_path: Path, arguments: list[str]) -> None:
    """Exit status 2, and one message."""
    done = lab(tmp_path, "watch", *arguments)

    assert done.returncode == 2
    assert done.stderr.startswith("lab: ")


def test_a_capture_is_read_back_with_its_end_and_its_filter() -> None:
    """Direction, interface and times of the packets are those that were seen."""
    data = packet((CLIENT, 40000), (SERVER, 53), message(7, AAAA, "www.lab.test", answer=False))
    written = capture_file([PacketSeen(0, 5_000_000_000, 3, 4, data)], 10**18, 9_500_000_000, frozenset({53}))
    (read,) = capture.parse(written)

    assert (read.outgoing, read.interface) == (True, "#3")
    assert read.message is not None
    assert read.message.name == "www.lab.test"
    assert read.time_s == pytest.approx(1e9 + 5.0)
    assert frames.read_end_s(written) == pytest.approx(1e9 + 9.5)
    assert frames.read_filters(written) == ("port 53 or icmp or icmp6",)
    assert frames.read_end_s(b"\xa1\xb2\xc3\xd4" + bytes(20)) is None


@pytest.mark.parametrize("cut", range(0, 200, 7))
def test_a_cut_capture_is_read_or_refused(cut: int) -> None:
    """No other error."""
    data = packet((CLIENT, 40000), (SERVER, 53), message(7, AAAA, "www.lab.test", answer=False))
    written = capture_file([PacketSeen(0, 5, 3, 4, data)], 0, 9, frozenset({53}))

    (read,) = recognise("x", written[: len(written) - cut])

    assert isinstance(read, Capture | Unknown)
    assert cut or (isinstance(read, Capture) and len(read.packets) == 1)


def test_a_socket_without_packets_is_read_as_it_was_written() -> None:
    """`lab diagnose` says that no query of it came to the wire."""
    socket = unsent.UnsentSocket(41000, "fd00::53", 53, 5.0, "getent[7]")
    line = unsent.unsent_line(socket)
    concluded = conclude(recognise("sockets", f"{line}\n".encode()))

    assert unsent.is_line(line)
    assert unsent.parse([(1, line), (2, "x")]) == (socket,)
    assert concluded.finding is not None
    assert concluded.finding.cause is Cause.BOTH_LOST


def test_the_cost_of_watching_is_a_share_of_a_processor() -> None:
    """Each packet of the loopback is seen twice."""
    costs = [watching.parse(f"50000000 25000000 1000 8000 {2 * watching.RATE * watching.SECONDS} 9") for _ in range(3)]
    figures = watching.figures(costs)

    assert figures["watch_processor_percent"].value == pytest.approx(0.5)
    assert figures["watch_processor_per_tcpdump"].value == pytest.approx(2)
    assert figures["watch_memory_mb"].value == pytest.approx(1.024)
    with pytest.raises(BrokenEnvironment):
        watching.parse("1 1 1 1 7 7")


def test_a_namespace_with_lost_packets_only_is_not_counted_among_those_with_lookups(tmp_path: Path) -> None:
    """It has a row, since what it did was not seen; it can be compared, without a probability."""
    flooded = NamespaceTally("flooded", 7, present=True, lookups=0, stalled=0, causes={}, last="", lost=9)
    watched = replace(WATCHED, namespaces=(TALLY, flooded))
    path = tmp_path / "watch.json"
    path.write_text(f"{dispatch.line(watched)}\n")
    compared = compare_watches(path, path).data

    assert "in 1 network namespace" in watch_words.sentence(watched)
    assert "\nlab_watch_namespaces 1\n" in metrics_text(watched)
    assert {each.namespace: each.p_value for each in compared.namespaces}["flooded"] is None
