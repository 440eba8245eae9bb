"""Formats test cases as JUnit XML, as Jenkins, GitLab and GitHub Actions read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from lab.comparison.cells import Comparison
from lab.present.cases import CaseStatus, ScenarioCase, clean
from lab.present.sentences import NOT_KNOWN
from lab.runs.run import RanOn

SUITE = "five-second-lab"

_TAGS = {CaseStatus.FAILED: "failure", CaseStatus.ERROR: "error", CaseStatus.SKIPPED: "skipped"}


def xml(tests: Sequence[ScenarioCase], compared: Comparison) -> str:
    """Format tests as one XML document with a suite for each machine.

    Args:
        tests: The tests.
        compared: The comparison, which has the machines.
    """
    root = Element("testsuites", {"name": SUITE, **_counts(tests)})
    for machine in dict.fromkeys(test.machine for test in tests):
        own = [test for test in tests if test.machine == machine]
        suite = SubElement(root, "testsuite", {"name": own[0].called, **_counts(own)})
        if machine in compared.machines:
            _describe(suite, machine, compared.machines[machine])
        for test in own:
            _add(suite, test)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode")


def _counts(tests: Sequence[ScenarioCase]) -> dict[str, str]:
    ended = Counter(test.ended for test in tests)
    took_s = sum(test.took_s or 0.0 for test in tests)
    return {
        "tests": str(len(tests)),
        "failures": str(ended[CaseStatus.FAILED]),
        "errors": str(ended[CaseStatus.ERROR]),
        "skipped": str(ended[CaseStatus.SKIPPED]),
        "time": f"{took_s:.3f}",
    }


def _describe(suite: Element, name: str, machine: RanOn) -> None:
    """Add a machine's description to the properties of its suite."""
    properties = SubElement(suite, "properties")
    for key, value in (
        ("machine", name),
        ("system", machine.system),
        ("kernel", machine.kernel),
        ("era", machine.era or NOT_KNOWN),
        ("distribution", machine.distribution),
    ):
        SubElement(properties, "property", {"name": key, "value": clean(value)})


def _add(suite: Element, test: ScenarioCase) -> None:
    case = SubElement(
        suite,
        "testcase",
        {"classname": test.called, "name": test.scenario, "time": f"{test.took_s or 0.0:.3f}"},
    )
    if test.ended is CaseStatus.PASSED:
        SubElement(case, "system-out").text = test.sentence
        return
    ended = SubElement(case, _TAGS[test.ended], {"message": test.sentence})
    if test.ended is not CaseStatus.SKIPPED:
        ended.set("type", test.ended)
        ended.text = test.sentence
