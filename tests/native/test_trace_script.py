"""Parts of provision/guest/trace.sh that need no trace: the choice of clock and the packet fields."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from lab.foundation.home import PROVISION

SCRIPT = (PROVISION / "guest" / "trace.sh").read_text()


def function(name: str) -> str:
    """Return a function of the script."""
    match = re.search(rf"^{name}\(\) {{\n.*?^}}\n", SCRIPT, re.MULTILINE | re.DOTALL)
    assert match, f"trace.sh has no function {name}"
    return match[0]


@pytest.mark.parametrize(
    ("there_are", "chosen"),
    [
        ("[local] global counter uptime perf mono mono_raw boot tai x86-tsc", "mono"),
        ("[local] global counter uptime perf x86-tsc", "global"),  # 3.10.0-123 and 3.10.0-1127
        ("local [global] counter", "global"),
        ("[local] counter mono_raw", "[local] counter mono_raw"),  # as it was
    ],
)
def test_the_trace_uses_the_first_clock_shared_by_all_processors(tmp_path: Path, there_are: str, chosen: str) -> None:
    """The clock `local` differs per processor: timestamps of a confirm and of the marks could not be compared."""
    clock = tmp_path / "trace_clock"
    clock.write_text(f"{there_are}\n")

    subprocess.run(["sh", "-eu", "-c", f'{function("choose_clock")}choose_clock "$1"', "-", clock], check=True)

    assert clock.read_text() == f"{chosen}\n"


def test_a_packets_source_address_is_traced_at_its_header_offset() -> None:
    """Twelve bytes into the IP header (RFC 791, 3.1), which begins fourteen bytes into an Ethernet frame."""
    script = f"ct=104 data=200; {function('fields')}fields %di 0; fields %di 14"
    output = subprocess.run(["sh", "-eu", "-c", script], capture_output=True, text=True, check=True).stdout

    assert re.findall(r"saddr=(\S+)", output) == ["+12(+200(%di)):u32", "+26(+200(%di)):u32"]


@pytest.mark.parametrize(("offsets", "expected"), [("104 200 24\n", "104 200 24"), ("none\n", None), (None, None)])
def test_without_the_hook_module_packet_offsets_come_from_btf(
    tmp_path: Path, offsets: str | None, expected: str | None
) -> None:
    """Without either source there is a reason and no trace; no wrong offset is read."""
    release = subprocess.run(["uname", "-r"], capture_output=True, text=True, check=True).stdout.strip()
    built = tmp_path / "build" / release
    built.mkdir(parents=True)
    if offsets is not None:
        (built / "offsets").write_text(offsets)
    script = f'lab=$1; {function("offsets")}offsets; echo "$ct $data $entry"'

    result = subprocess.run(["sh", "-eu", "-c", script, "-", tmp_path], capture_output=True, text=True, check=False)

    if expected is None:
        assert result.returncode == 1
        assert "neither the hook module nor BTF" in result.stderr
    else:
        assert (result.returncode, result.stdout.strip()) == (0, expected)
