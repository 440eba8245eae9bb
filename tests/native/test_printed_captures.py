"""A capture and tcpdump's text of it: the text may leave the answer open but never changes it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from lab.diagnosis.conclusion import Answer, Conclusion, conclude
from lab.diagnosis.recognise import recognise

EVIDENCE = Path(__file__).parents[1] / "evidence"
MADE_UP = {"diagnose-cases", "printed"}
CAPTURES = sorted(path for path in EVIDENCE.rglob("*.pcap") if not MADE_UP & set(path.parts))
TEXTS_WITH_ALL = (["-n"], ["-n", "-tttt"], ["-n", "-v"], ["-n", "-ttt"], ["-n", "-vvv", "-e"], ["-n", "-tt"])
TEXTS_WITH_LESS = (["-n", "-q"], ["-n", "-t"])

pytestmark = pytest.mark.skipif(shutil.which("tcpdump") is None, reason="tcpdump is not here")


def printed(path: Path, options: list[str]) -> Conclusion:
    """Judge the text that this machine's tcpdump prints of a capture."""
    command = ["tcpdump", *options, "-r", str(path)]
    text = subprocess.run(command, capture_output=True, check=True).stdout
    return conclude(recognise("tcpdump.txt", text))


@pytest.mark.parametrize("options", TEXTS_WITH_ALL, ids=" ".join)
def test_tcpdump_text_gives_the_captures_answer_without_certainty(options: list[str]) -> None:
    """Users paste the text in any format."""
    differ = {}
    for path in CAPTURES:
        whole, text = conclude(recognise("dns.pcap", path.read_bytes())), printed(path, options)
        same = text.answer is whole.answer and not (text.certain and text.answer is not Answer.CANNOT_TELL)
        if not same and path.read_bytes()[24:]:
            differ[str(path)] = (whole.sentence, text.sentence)

    assert differ == {}


@pytest.mark.parametrize("options", TEXTS_WITH_LESS, ids=" ".join)
def test_text_without_times_or_messages_leaves_the_answer_open(options: list[str]) -> None:
    """Without times no wait is seen, and without messages no query is seen."""
    for path in CAPTURES:
        whole, text = conclude(recognise("dns.pcap", path.read_bytes())), printed(path, options)

        assert text.answer in {Answer.CANNOT_TELL, whole.answer}
        assert text.answer is not Answer.THIS_BUG
