"""Formats the result of `lab diagnose` as members of a JSON object."""

from __future__ import annotations

from dataclasses import asdict

from lab.commands.diagnose import SamplesWritten
from lab.diagnosis.causes import Finding
from lab.diagnosis.conclusion import Conclusion


def conclusion(data: Conclusion) -> dict[str, object]:
    """Return the members of a conclusion."""
    return {
        "answer": data.answer,
        "certain": data.certain,
        "cause": data.finding.cause.name.lower() if data.finding else None,
        "sentence": data.sentence,
        "finding": _finding(data.finding) if data.finding else None,
        "others": [_finding(finding) for finding in data.others],
        "warnings": data.warnings,
        "machine": data.machine,
        "next": vars(data.next) if data.next else None,
        "remedies": [vars(remedy) for remedy in data.remedies],
        "collect": [vars(advice) for advice in data.collect],
        "files": [{"file": name, "kind": kind} for name, kind in data.read],
        "lookups": data.lookups,
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "cause": finding.cause.name.lower(),
        "grade": finding.grade.name.lower(),
        "says": finding.says,
        "places": [asdict(place) for place in finding.places],
        "against": finding.against,
        "queries": [
            {
                "dns_id": fated.question.dns_id,
                "qtype": fated.question.qtype,
                "name": fated.question.name,
                "fate": fated.fate,
                "took_s": fated.took_s,
            }
            for fated in finding.fated
        ],
    }


def samples(data: SamplesWritten) -> dict[str, object]:
    """Return the members of the samples that were written."""
    return {key: str(value) if key == "directory" else value for key, value in asdict(data).items()}
