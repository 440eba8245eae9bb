"""Commands with hostile file names, file content, kernels and modules: nothing controls the terminal."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests import hostile, stored_runs
from tests.command_line import lab
from tests.kernels import module, tree
from tests.stored_runs import MACHINES, Stored

NAME = hostile.TEXT.replace("/", "-")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """Return a lab with a run whose machines, dmesg and strace are hostile."""
    stored = stored_runs.at(tmp_path_factory.mktemp("hostile"))
    text = f"{hostile.TEXT} {hostile.LETTERS}"
    machines = {
        name: machine.model_copy(update={"kernel": text, "title": text, "distribution": text})
        for name, machine in MACHINES.items()
    }
    added = f"[    9.000000] nf_conntrack: {text}\n".encode()

    def change(name: str, raw: bytes) -> bytes:
        if name == "client.strace":
            return raw.replace(b"www.lab.test", b"\x1b]0;x\x07\xe2\x80\xae")
        return raw + added if name == "dmesg" else stored_runs.hostile(name, raw).replace(b"<b onclick=1>", b"\x1b[2J")

    stored.run(("old-nfqueue", "new-nfqueue", "old-baseline"), change=change, as_if=machines)
    return stored


@pytest.mark.parametrize(
    "arguments",
    [
        ["compare"],
        *(["compare", "--format", form] for form in ("md", "csv", "html", "json", "junit", "tap")),
        ["show"],
        ["show", "old/nfqueue/2"],
        ["show", "old/nfqueue/2", "--json"],
        ["show", "old/nfqueue/2", "--raw", "dmesg"],
        ["show", "old/nfqueue/2", "--raw", "client.strace"],
        ["show", "old/nfqueue/2", "--raw", "trace"],
        ["runs", "list"],
        ["runs", "show"],
        ["status"],
    ],
    ids=" ".join,
)
def test_a_stored_run_prints_nothing_that_controls_the_terminal(stored: Stored, arguments: list[str]) -> None:
    """Kernel and distribution are what the machine reported, dmesg and strace what it wrote."""
    result = lab(stored.home, *arguments)

    assert result.stdout
    assert "fault" not in result.stderr
    raw = "--raw" in arguments  # whose lines are the file's own, the forged one among them
    output = result.stdout.replace(f"\n{hostile.FORGED}", "") if raw else result.stdout
    hostile.require_clean(output + result.stderr, marks="\n\t" if raw else "\n")
    if arguments[-1] == "junit":
        ET.fromstring(result.stdout)  # noqa: S314  our own


def test_letters_of_every_language_stay_in_a_table_and_a_page(stored: Stored, tmp_path: Path) -> None:
    """Only controls are replaced."""
    page = tmp_path / "report.html"
    result = lab(stored.home, "report", "-o", str(page))
    text = page.read_text("utf-8")

    assert result.returncode == 0, result.stderr
    hostile.require_clean(result.stdout + result.stderr)
    hostile.require_clean(text.replace(f"\n{hostile.FORGED}", ""))
    assert hostile.LETTERS in text
    assert hostile.LETTERS in lab(stored.home, "compare", COLUMNS="500").stdout
    hostile.require_clean(lab(stored.home, "report", "--json", "-o", str(page)).stdout)


def test_diagnose_prints_no_control_character_of_a_name_or_a_line(tmp_path: Path) -> None:
    """A file that is read, one that is not, and one that does not exist."""
    good, bad = tmp_path / NAME, tmp_path / f"b{NAME}"
    good.write_text(f"[ 1.000000] nf_conntrack: table full, dropping packet {hostile.CONTROLS}\n", "utf-8")
    bad.write_bytes(b"\x1b[2J" * 20)
    for files in ([good], [bad], [good, bad], [tmp_path / f"c{NAME}"], [Path(f"\udce9{hostile.TEXT}")]):
        for json in ([], ["--json"]):
            result = lab(tmp_path / "home", "diagnose", *map(str, files), *json)
            assert "fault" not in result.stderr
            hostile.require_clean(result.stdout + result.stderr)
    assert "conntrack's table is full" in lab(tmp_path / "home", "diagnose", str(good)).stdout


def test_kernel_add_prints_no_control_character_of_a_module_or_a_file(tmp_path: Path) -> None:
    """A package's modules have the names that their maker chose."""
    files = tree(tmp_path / NAME)
    names = ["x\x1b]0;title\x07\u202e\nlab: forged.ko", "\x1b[2J\nlab: forged"]
    for name in names:
        module(next(files.glob("lib/modules/*")) / "kernel" / name, f"depends={names[1]}")
    for arguments in (
        ["add", str(files), "--name", "mine"],
        ["list"],
        ["add", f"{tmp_path}/none{NAME}"],
        ["remove", NAME],
    ):
        result = lab(tmp_path / "home", "kernel", *arguments)
        assert "fault" not in result.stderr
        hostile.require_clean(result.stdout + result.stderr)


@pytest.mark.parametrize(
    "arguments",
    [
        [NAME],
        ["status", f"--{NAME}"],
        ["up", NAME],
        ["compare", "--run", NAME],
        ["compare", NAME],
        ["show", f"{NAME}/{NAME}/1"],
        ["run", "old", "-s", NAME],
        ["schema", NAME],
        ["mystery", NAME],
        ["matrix", "--kernels", NAME],
        ["report", "-o", f"/dev/null/{NAME}"],
        ["runs", "import", NAME],
    ],
    ids=lambda arguments: arguments[0] if len(arguments[0]) < 20 else "verb",
)
def test_an_error_is_one_line_whatever_was_typed(stored: Stored, arguments: list[str]) -> None:
    """The name is shown with its line feed escaped."""
    result = lab(stored.home, *arguments)

    assert result.returncode in {1, 2, 3}
    assert result.stderr.count("lab: ") >= 1
    hostile.require_clean(result.stdout + result.stderr)
