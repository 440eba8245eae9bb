"""Machines and scenarios as TOML: good ones, and what is said of bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import dial
from lab.catalogue import find
from lab.catalogue.document import line_of
from lab.catalogue.era import Era
from lab.catalogue.scenario import Resolver
from lab.errors import BadInput
from lab.home import MACHINES, SCENARIOS

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
    """What is shipped is well-formed; each scenario says what it expects in every era, but for the few that measure."""
    machines = find.machines(MACHINES, [])
    scenarios = find.scenarios(SCENARIOS, [])

    assert [machine.name for machine in machines] == ["new", "old", "today"]
    assert {name.name for name in scenarios} >= {"baseline", "nfqueue", "nfqueue-single-request-reopen"}
    measures_only: dict[str, set[Era]] = {"nfqueue-dnat": set()}
    for scenario in scenarios:
        assert set(scenario.expected) == measures_only.get(scenario.name, set(Era)), scenario.name


def test_holds_are_in_the_order_of_their_times_and_each_is_a_setting_of_the_dial() -> None:
    """5 ms stands before 20 ms in every table, and the curve begins at no hold at all."""
    held = [scenario for scenario in find.scenarios(SCENARIOS, []) if "-held-" in scenario.name]

    assert [scenario.queue.hold_s for scenario in held if scenario.queue] == [0.0, 0.001, 0.005, 0.02]
    assert all(dial.is_setting(scenario) for scenario in held)


def test_a_scenario_of_ones_own_is_read_from_its_file(tmp_path: Path) -> None:
    """Steps arrive as they are written, in a new file and with no Python."""
    (mine,) = find.scenarios(SCENARIOS, [str(scenario(tmp_path, GOOD))])

    assert mine.name == "mine"
    assert mine.step[0] == Resolver(do="resolver", options=("single-request",))
    assert mine.queue is not None
    assert mine.queue.hold_s == 0.1
    assert mine.lookup.name == "www.lab.test"


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
    """A trainer goes straight to the place."""
    path = scenario(tmp_path, GOOD.replace(right, wrong))

    with pytest.raises(BadInput) as caught:
        find.scenarios(SCENARIOS, [str(path)])

    assert caught.value.message.startswith(f"{path}:{line}: ")
    assert field in caught.value.message
    assert "\n" not in caught.value.message


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    """The file has no line for what is not there; it is named all the same."""
    with pytest.raises(BadInput, match=r"shows: field required"):
        find.scenarios(SCENARIOS, [str(scenario(tmp_path, GOOD.replace('shows = "What it shows."', "")))])


def test_a_file_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    """Missing, or not text."""
    with pytest.raises(BadInput, match="cannot be read"):
        find.scenarios(SCENARIOS, [str(tmp_path / "missing.toml")])
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="cannot be read"):
        find.scenarios(SCENARIOS, [str(tmp_path / "binary.toml")])


def test_an_unknown_name_lists_the_valid_ones_and_guesses() -> None:
    """A slip of the finger costs one look."""
    with pytest.raises(BadInput, match="there are: new, old, today") as caught:
        find.machines(MACHINES, ["olf"])

    assert caught.value.hint == "did you mean 'old'?"


def test_a_machine_named_twice_is_one() -> None:
    """It cannot be brought up at the same time as itself."""
    assert [machine.name for machine in find.machines(MACHINES, ["old", "new", "old"])] == ["old", "new"]


def test_the_line_of_a_key_is_that_of_its_own_table() -> None:
    """Two steps may have the same keys."""
    text = "[[step]]\ndo = 1\n[[step]]\ndo = 2\n[expected]\ndo = 3\n"

    assert line_of(text, ("step", 0, "do")) == 2
    assert line_of(text, ("step", 1, "queue", "do")) == 4
    assert line_of(text, ("expected", "do")) == 6


def test_the_line_of_a_key_is_found_in_nested_tables_and_behind_long_strings() -> None:
    """What looks like a key or a header inside a string of several lines is none."""
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
