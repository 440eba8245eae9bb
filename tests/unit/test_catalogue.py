"""Machines and scenarios as TOML: valid files, and the errors for invalid ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.catalogue import find
from lab.catalogue.document import line_of
from lab.catalogue.era import Era
from lab.catalogue.scenario import Resolver
from lab.comparison import sweep
from lab.foundation.errors import BadInput
from lab.foundation.home import MACHINES, SCENARIOS

GOOD = """title = "A title"
shows = "What it shows."
arms = true

[[step]]
do = "resolver"
options = ["single-request"]

[[step]]
do = "queue"
by = "nfqdns"
hold_packets = 2
hold_s = 0.1

[expected]
drop = "stalled"
"""


def scenario(directory: Path, text: str) -> Path:
    """Write a scenario's file."""
    path = directory / "mine.toml"
    path.write_text(text)
    return path


def test_every_scenario_and_machine_of_the_lab_can_be_read() -> None:
    """All shipped files are valid; the scenarios without an expectation in every era are listed here."""
    machines = find.machines(MACHINES, [])
    scenarios = find.scenarios(SCENARIOS, [])

    assert [machine.name for machine in machines] == ["new", "old", "today"]
    assert {name.name for name in scenarios} >= {"baseline", "nfqueue", "nfqueue-single-request-reopen"}
    assert {scenario.name for scenario in scenarios if set(scenario.expected) != set(Era)} == {"kube-proxy-queue"}


@pytest.mark.parametrize(
    ("era", "release", "replica", "expected"),
    [
        (Era.DROP, "3.10.0-123.el7.x86_64", False, "stalled"),
        (Era.RESOLVE, "3.10.0-1127.el7.x86_64", False, "stalled"),
        (Era.RESOLVE, "6.1.0-56-cloud-amd64", True, "stalled"),
        (Era.RESOLVE, "6.12.117+deb12-cloud-amd64", False, None),
        (Era.RESOLVE, "7.2.13-cloud-amd64", False, None),
        (Era.RELOOKUP, "6.1.0-56-cloud-amd64", False, "healthy"),
        (Era.RELOOKUP, "5.4.0-1", False, None),
        (None, "6.1.0-56-cloud-amd64", False, None),
    ],
)
def test_behind_dnat_only_measured_kernels_have_expectations(
    era: Era | None, release: str, expected: str | None, *, replica: bool
) -> None:
    """Kernels of one era differ there: 3.10.0-1127 drops what 6.12 accepts, though both resolve a plain clash."""
    behind_dnat, plain = find.scenarios(SCENARIOS, ["nfqueue-dnat", "nfqueue"])

    assert behind_dnat.expects(era, release, replica=replica) == expected
    assert (plain.expects(era, release, replica=replica) is None) == (era is None)


def test_hold_scenarios_are_sorted_by_time_and_are_sweep_settings() -> None:
    """5 ms precedes 20 ms in every table, and the curve begins without a hold."""
    held = [scenario for scenario in find.scenarios(SCENARIOS, []) if "-held-" in scenario.name]

    assert [scenario.queue.hold_s for scenario in held if scenario.queue] == [0.0, 0.001, 0.005, 0.02]
    assert all(sweep.is_setting(scenario) for scenario in held)


def test_a_users_scenario_is_read_from_its_file(tmp_path: Path) -> None:
    """Steps arrive as written, in a new file and without Python."""
    (mine,) = find.scenarios(SCENARIOS, [str(scenario(tmp_path, GOOD))])

    assert mine.name == "mine"
    assert mine.step[0] == Resolver(do="resolver", options=("single-request",))
    assert mine.queue is not None
    assert mine.queue.hold_s == 0.1
    assert mine.lookup.name == "www.lab.test"


@pytest.mark.parametrize(
    ("queue", "shape", "problem"),
    [
        ('by = "iptables"\nchain = "FORWARD"', "host", "only if it is forwarded or bridged"),
        ('by = "iptables"\nchain = "OUTPUT"', "forwarded", "do not pass OUTPUT"),
        ('by = "iptables"\ntable = "raw"', "bridged", "do not pass OUTPUT"),
        ('by = "iptables"\ntable = "raw"\nchain = "FORWARD"', "forwarded", "table raw has no chain FORWARD"),
        ('by = "nfqdns"', "forwarded", "the hook module would queue in the client's namespace, too"),
        ('by = "nfqdns"\nchain = "OUTPUT"', "host", "the hook module queues at POSTROUTING"),
        ('by = "nfqdns"\nlisteners = 2', "host", "in one queue"),
    ],
)
def test_a_queue_that_the_clients_packets_do_not_pass_is_refused(
    tmp_path: Path, queue: str, shape: str, problem: str
) -> None:
    """Its trials would be healthy, since nothing is queued."""
    text = GOOD.replace('by = "nfqdns"', queue) + f'\n[network]\nshape = "{shape}"\n'

    with pytest.raises(BadInput) as caught:
        find.scenarios(SCENARIOS, [str(scenario(tmp_path, text))])

    assert problem in caught.value.message


@pytest.mark.parametrize(
    ("right", "wrong", "line", "field"),
    [
        ('title = "A title"', "title = 3", 1, "title"),
        ("arms = true", 'arms = "yes"', 3, "arms"),
        ("arms = true", "arm = true", 3, "arm"),
        ('do = "resolver"', 'do = "resolve"', 5, "step"),
        ('options = ["single-request"]', 'options = ["a b; rm"]', 7, "options"),
        ("hold_packets = 2", "hold_packets = 0", 12, "hold_packets"),
        ("hold_s = 0.1", 'hold_s = "0.1"', 13, "hold_s"),
        ("hold_s = 0.1", "hold_s = nan", 13, "hold_s"),
        ('drop = "stalled"', 'drop = "slow"', 16, "drop"),
        ('drop = "stalled"', 'dropp = "stalled"', 16, "dropp"),
        ("hold_packets = 2", "hold_packets = ", 12, "not TOML"),
    ],
)
def test_a_wrong_field_is_named_with_file_and_line(
    tmp_path: Path, right: str, wrong: str, line: int, field: str
) -> None:
    """A trainer finds the place at once."""
    path = scenario(tmp_path, GOOD.replace(right, wrong))

    with pytest.raises(BadInput) as caught:
        find.scenarios(SCENARIOS, [str(path)])

    assert caught.value.message.startswith(f"{path}:{line}: ")
    assert field in caught.value.message
    assert "\n" not in caught.value.message


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    """The file has no line for a missing field, so only the field is named."""
    with pytest.raises(BadInput, match=r"shows: field required"):
        find.scenarios(SCENARIOS, [str(scenario(tmp_path, GOOD.replace('shows = "What it shows."', "")))])


def test_an_unreadable_file_is_a_clear_error(tmp_path: Path) -> None:
    """The file may be missing or not be text."""
    with pytest.raises(BadInput, match="cannot be read"):
        find.scenarios(SCENARIOS, [str(tmp_path / "missing.toml")])
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="cannot be read"):
        find.scenarios(SCENARIOS, [str(tmp_path / "binary.toml")])


def test_an_unknown_name_lists_valid_names_and_a_suggestion() -> None:
    """A typing error is quickly corrected."""
    with pytest.raises(BadInput, match="there are: new, old, today") as caught:
        find.machines(MACHINES, ["olf"])

    assert caught.value.hint == "did you mean 'old'?"


def test_a_machine_named_twice_is_one() -> None:
    """A machine cannot be brought up twice at the same time."""
    assert [machine.name for machine in find.machines(MACHINES, ["old", "new", "old"])] == ["old", "new"]


def test_the_line_of_a_key_is_found_in_its_table() -> None:
    """Two steps may have the same keys."""
    text = "[[step]]\ndo = 1\n[[step]]\ndo = 2\n[expected]\ndo = 3\n"

    assert line_of(text, ("step", 0, "do")) == 2
    assert line_of(text, ("step", 1, "queue", "do")) == 4
    assert line_of(text, ("expected", "do")) == 6


def test_the_line_of_a_key_is_found_in_nested_tables_and_behind_long_strings() -> None:
    """Text inside a multi-line string is not taken for a key or a header."""
    text = (
        'title.en = """\n[[question]]\ntitle = 1\n"""\n[[question]]\nasks.en = "one line"\n'
        "[[question.option]]\nright = 1\n"
        "[[question.option]]\nright = 2\nwhy.en = 3\n[[question]]\n[[question.option]]\nright = 4\n"
    )

    assert line_of(text, ("title", "en")) == 1
    assert line_of(text, ("question", 0, "asks", "en")) == 6
    assert line_of(text, ("question", 0, "option", 1, "right")) == 10
    assert line_of(text, ("question", 0, "option", 1, "why", "en")) == 11
    assert line_of(text, ("question", 1, "option", 0, "right")) == 14
    assert line_of(text, ("question", 1, "title", "en")) == 12
