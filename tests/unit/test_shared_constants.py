"""Constants that Python shares with the guest's C and shell have one value."""

from __future__ import annotations

import re

import pytest

from lab.catalogue.queue import CHAINS, Queue
from lab.catalogue.scenario import Shape
from lab.evidence.constants import DNS_PORT
from lab.evidence.kernel import Action
from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.foundation.home import PROVISION
from lab.provider import qemu
from lab.provision.ensure import UNTOUCHED
from lab.provision.hook import OFFSETS
from lab.remote_check import trials as check
from lab.runs import experiment, lanes

DESTINATIONS = re.findall(r"--to-destination (\S+)", check.RULES)


def source(path: str) -> str:
    """Return a source file of the guest's."""
    return (PROVISION / path).read_text()


def constant(path: str, name: str) -> str:
    """Return what an enumerator or a macro of a C file stands for, as it is written there."""
    (value,) = re.findall(rf"^\s*#define {name} (.+)$|\b{name} = (\d+)", source(path), re.MULTILINE)
    return "".join(value).strip('"')


@pytest.mark.parametrize(
    ("value", "path", "name"),
    [
        (round(check.HOLD_S * 1000), "check/queue.c", "HOLD_MS"),
        (check.BOUND_S, "check/trial.c", "CLIENT_BOUND_S"),
        (check.MAPPED, "check/check.h", "MAPPED_ADDRESS"),
        (DESTINATIONS[0], "check/check.h", "SERVER_ADDRESS"),
        (DESTINATIONS[1], "check/check.h", "SECOND_ADDRESS"),
        (lanes.MOST, "lanes/lane.h", "MOST_LANES"),
        (lanes.MOST, "verdict/lanes.h", "MOST_LANES"),
        (BadInput.exit_status, "lanes/lane.h", "EXIT_USAGE"),
        (BrokenEnvironment.exit_status, "lanes/lane.h", "EXIT_BROKEN"),
        (DNS_PORT, "check/server.c", "DNS_PORT"),
        (DNS_PORT, "nfqdns/nfqdns.c", "port"),
        (qemu.SEED_BYTES // 2, "image/login/login.c", "FIRST_BYTES"),
    ],
)
def test_a_constant_that_differs_between_python_and_c(value: object, path: str, name: str) -> None:
    """A trial is judged by the numbers that the guest's programs use."""
    assert str(value) == constant(path, name)


def test_a_scenario_that_holds_more_packets_than_the_verdict_program_has_room_for() -> None:
    """A scenario's largest `hold_packets` is the verdict program's."""
    (largest,) = (rule.le for rule in Queue.model_fields["hold_packets"].metadata if hasattr(rule, "le"))
    assert str(largest) == constant("verdict/user.c", "MAX_WAITING")


def test_a_scenario_that_holds_packets_longer_than_the_verdict_program_can() -> None:
    """A scenario's longest `hold_s` is within the verdict program's bound."""
    (longest_s,) = (rule.le for rule in Queue.model_fields["hold_s"].metadata if hasattr(rule, "le"))
    (bound_ms,) = re.findall(r'number\("--hold-ms", optarg, 0, (\d+)\)', source("verdict/user.c"))
    assert longest_s * 1000 <= int(bound_ms)


def test_a_program_that_works_longer_than_the_verdict_program_can() -> None:
    """A scenario's longest `work_s` and its largest `dies_after` are within the verdict program's bounds."""
    (longest_s,) = (rule.le for rule in Queue.model_fields["work_s"].metadata if hasattr(rule, "le"))
    (bound_ms,) = re.findall(r'number\("--work-ms", optarg, 0, (\d+)\)', source("verdict/user.c"))
    assert longest_s * 1000 <= int(bound_ms)


@pytest.mark.parametrize("script", ["scenario.sh", "queue.sh", "shape.sh", "way-out.sh"])
def test_a_lack_that_a_script_reports_with_another_exit_status(script: str) -> None:
    """A scenario is left out by the exit status for what a machine lacks, and by no other."""
    statuses = set(re.findall(r"\bexit (\d+)", source(f"guest/{script}"))) - {"0", "1", "2", "3"}
    assert statuses == {str(experiment.LACKS)}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("guest/trials.sh", f"--limit {experiment.LIMIT}"),
        ("guest/era.sh", f"\n{UNTOUCHED})\n"),
        *(("guest/scenario.sh", f"network={shape.value}") for shape in Shape),
        *(("guest/scenario.sh", f"chain={chain}") for chain in CHAINS["mangle"]),
        ("guest/trace.sh", f'"$built/{OFFSETS}"'),
        *(("guest/trace.sh", f"event p {action.value} ") for action in Action if action is not Action.ARRIVED),
    ],
)
def test_a_name_that_differs_between_python_and_shell(path: str, text: str) -> None:
    """A script reads, writes or traces what Python expects under that name."""
    assert text in source(path)
