"""The command line: errors for bad input, and output formats."""

from __future__ import annotations

import compileall
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from lab.cli.main import cli
from lab.foundation.home import PROJECT, SCENARIOS
from tests.command_line import lab

SCENARIO_COUNT = len([*SCENARIOS.glob("*.toml"), *SCENARIOS.glob("products/*.toml")])

COLUMNS = 80
"""Width of a terminal."""


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["up", "olf"], "new, old, today"),
        (["run", "old", "-s", "nonsense"], "no scenario is called 'nonsense'"),
        (
            ["run", "--nonsense"],
            "--evidence, --target, --nameserver, --into, --trace, --format, --json, --verbose, --quiet, --help",
        ),
        (["nonsense"], "there are: setup, doctor, list, demo, up, status, logs, "),
        (["run", "old", "-n", "0"], "0 is not in the range"),
        (["run", "old", "-n", "x"], "not a valid integer"),
        (["run", "old", "--lanes", "128"], "old has 120 lanes, not 128: 60 for each of its 2 virtual processors"),
        (["sweep", "old", "new", "--lanes", "121"], "old has 120 lanes, not 121"),
        (["compare", "--run", "nonsense"], "none is stored yet"),
        (["compare", "old"], "nothing to compare"),
        (["show", "nonsense"], "none is stored yet"),
        (["check", "root@"], "not [user@]host[:port]"),
        (["check", "-i", "/nonexistent"], "does not exist"),
        (["show"], "no run is stored yet"),
        (["ssh"], "which machine?"),
        (["kernel", "add", "nowhere.deb"], "nowhere.deb: there is no such file or directory"),
        (["kernel", "remove", "nonsense"], "no kernel is called 'nonsense'; none was added yet"),
        (["kernel", "nonsense"], "there are: add, known, list, remove"),
        (["run", "--kernel", "nonsense"], "no kernel is called 'nonsense'"),
        (["classify", "nonsense"], "new, old, today"),
    ],
)
def test_bad_input_is_one_line_with_the_valid_values(tmp_path: Path, arguments: list[str], named: str) -> None:
    """Exit status 2, empty standard output, no traceback."""
    result = lab(tmp_path, *arguments)

    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("lab: ")
    assert named in result.stderr.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["rnu"], "did you mean 'run'?"),
        (["stat"], "did you mean 'status'?"),
        (["kernel", "ad"], "did you mean 'add'?"),
        (["runs", "lst"], "did you mean 'list'?"),
        (["run", "--evidnce"], "did you mean '--evidence'?"),
        (["up", "tody"], "did you mean 'today'?"),
        (["run", "old", "-s", "nfqueue-cars"], "did you mean 'nfqueue-c-ares'"),
        (["run", "old", "-s", "zzz"], f"see all {SCENARIO_COUNT}: lab list scenarios"),
        (["kernel", "known", "x"], "see: lab kernel known"),
        (["lesson", "--from", "starce"], "did you mean 'strace'?"),
    ],
)
def test_a_mistyped_name_is_answered_by_the_near_ones(tmp_path: Path, arguments: list[str], hint: str) -> None:
    """Every kind of name has the same question."""
    result = lab(tmp_path, *arguments)

    assert result.returncode == 2
    assert hint in result.stderr


@pytest.mark.parametrize("arguments", [["status"], ["up", "old"], ["diagnose", "x"]])
def test_a_named_config_file_that_does_not_exist_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    """By every command: a typing error would otherwise change which machines are brought up."""
    result = lab(tmp_path / "home", *arguments, LAB_CONFIG=str(tmp_path / "absent.toml"))

    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.splitlines()[0] == f"lab: LAB_CONFIG is '{tmp_path}/absent.toml', and there is no such file"
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["diagnose", ""], "'' cannot be read: its name is empty"),
        (["diagnose", "--example", ""], "--example '' names no directory"),
        (["kernel", "add", ""], "the name of a source is empty"),
    ],
)
def test_an_empty_name_is_not_the_working_directory(tmp_path: Path, arguments: list[str], named: str) -> None:
    """As an unset variable of a script leaves it."""
    (tmp_path / "here").mkdir()
    result = lab(tmp_path / "home", *arguments, directory=tmp_path / "here")

    assert result.returncode == 2
    assert f"lab: {named}" in result.stderr.splitlines()
    assert not list((tmp_path / "here").iterdir())


@pytest.mark.parametrize("limit_kb", [25_000, 28_000])
@pytest.mark.parametrize("arguments", [["status"], ["diagnose", "dmesg"]])
def test_too_little_memory_is_one_line_and_ends_at_once(tmp_path: Path, arguments: list[str], limit_kb: int) -> None:
    """At whatever point the memory ends: importing, starting a thread, reading."""
    (tmp_path / "dmesg").write_text("[    1.000000] nothing\n")
    compileall.compile_dir(PROJECT / "lab", quiet=2)  # as an installed lab is: compiling takes memory, too
    result = subprocess.run(
        ["/bin/sh", "-c", f'ulimit -v {limit_kb}; exec "$@"', "sh", sys.executable, "-m", "lab", *arguments],
        env={"LAB_HOME": str(tmp_path / "home"), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.splitlines()[-2:] == [
        "lab: the lab gets too little memory here",
        "  raise the limit of this shell (ulimit -v) or of the container",
    ]


def test_errors_are_json_when_json_is_requested(tmp_path: Path) -> None:
    """A script gets the same information as a person."""
    result = lab(tmp_path, "up", "olf", "--json")

    assert result.returncode == 2
    assert json.loads(result.stdout) == {
        "schema": 2,
        "error": {
            "message": "no machine is called 'olf'; there are: new, old, today",
            "hint": "did you mean 'old'?",
            "evidence": None,
        },
    }


def test_a_machine_that_is_not_up_is_exit_status_3_with_the_next_step(tmp_path: Path) -> None:
    """The environment is not ready; the input is valid."""
    result = lab(tmp_path, "run", "old")

    assert result.returncode == 3
    assert "old is absent, not running" in result.stderr
    assert "lab up old" in result.stderr


def test_a_run_without_a_machine_says_how_to_start_one(tmp_path: Path) -> None:
    """Without names all running machines are meant."""
    result = lab(tmp_path, "run")

    assert result.returncode == 3
    assert "no machine is running" in result.stderr
    assert "lab up old new" in result.stderr


@pytest.mark.parametrize("verb", ["up", "ssh", "run", "compare", "classify", "kernel", "kernel add"])
def test_help_shows_examples(tmp_path: Path, verb: str) -> None:
    """An example is clearer than a list of options."""
    result = lab(tmp_path, *verb.split(), "--help")

    assert result.returncode == 0
    assert "Examples:" in result.stdout


def test_status_changes_nothing(tmp_path: Path) -> None:
    """No machine directory is created."""
    result = lab(tmp_path, "status", "--json")

    assert result.returncode == 0
    assert {machine["state"] for machine in json.loads(result.stdout)["machines"].values()} == {"absent"}
    assert not (tmp_path / "machines").exists()


def test_an_absent_machine_has_no_system(tmp_path: Path) -> None:
    """The system is chosen at start; until then the machine is no replica."""
    machines = json.loads(lab(tmp_path, "status", "--json").stdout)["machines"].values()

    assert {(machine["system"], machine["replica"]) for machine in machines} == {(None, False)}
    assert "(replica)" not in lab(tmp_path, "status").stdout


def test_an_unwritable_home_is_a_one_line_error(tmp_path: Path) -> None:
    """There is no traceback."""
    (tmp_path / "file").write_text("")
    result = lab(tmp_path / "file", "up", "old")

    assert result.returncode == 3
    assert "Traceback" not in result.stderr
    assert str(tmp_path / "file") in result.stderr


def test_destroying_nothing_succeeds(tmp_path: Path) -> None:
    """Cleaning up is idempotent."""
    assert lab(tmp_path, "destroy").returncode == 0
    assert lab(tmp_path, "halt", "old").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "there"),
    [
        ([], ["config.vm.box", "virtualbox.memory", "kernel-3.10.0-123.el7.x86_64", "grubby --set-default", "reboot"]),
        (
            ["--hypervisor", "libvirt"],
            ['libvirt.driver = "', 'config.vm.box = "centos/7"', "gpgcheck=1", "/7.8.2003/os"],
        ),
        (["--replica"], ["libvirt.qemu_use_session = true", "hostfwd=tcp:127.0.0.1:"]),
        (["--trace", "stap"], ["systemtap", "kernel-debuginfo-3.10.0-123.el7.x86_64"]),
    ],
)
def test_a_dry_run_prints_the_whole_plan_and_does_nothing(
    tmp_path: Path, arguments: list[str], there: list[str]
) -> None:
    """It also says when this host cannot run it; long lines are not wrapped, so that they can be copied."""
    command = ["up", "old", "--provider", "vagrant", "--dry-run", *arguments]
    result = lab(tmp_path, *command, PATH=str(tmp_path))

    assert result.returncode == 0, result.stderr
    for text in there:
        assert text in result.stdout
    assert not (tmp_path / "machines").exists()
    message = " ".join(result.stdout.split())
    assert "asks for it, but Vagrant cannot run the machine here: Vagrant is not installed" in message
    (plan,) = json.loads(lab(tmp_path, *command, "--json", PATH=str(tmp_path)).stdout)["machines"].values()
    for line in (line for step in plan["steps"] for line in step["lines"]):
        assert line in result.stdout


def test_an_old_vagrant_is_reported(tmp_path: Path) -> None:
    """Both versions are named; the stand-in only prints an old version."""
    program = tmp_path / "bin" / "vagrant"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho Vagrant 1.9.1\n")
    program.chmod(0o755)
    result = lab(tmp_path, "up", "old", "--provider", "vagrant", PATH=f"{program.parent}:/usr/bin:/bin")

    assert result.returncode == 3
    assert "Vagrant is 1.9.1, older than 2.2.19" in result.stderr


def test_doctor_lists_vagrants_packages_separately(tmp_path: Path) -> None:
    """Their command follows the one for the lab's own needs, because the lab works without Vagrant."""
    for program in ("libvirtd", "virsh", "gpgv"):
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    result = json.loads(lab(tmp_path, "doctor", "--json", PATH=str(tmp_path)).stdout)

    assert result["mend"][-1].endswith("apt-get install --no-install-recommends vagrant vagrant-libvirt")
    assert not any("vagrant" in command for command in result["mend"][:-1])


def test_doctor_reports_what_known_kernels_need(tmp_path: Path) -> None:
    """Without gpgv no kernel can be verified; the lab still works without known kernels."""
    checks = json.loads(lab(tmp_path, "doctor", "--json", PATH=str(tmp_path)).stdout)["checks"]
    (check,) = (one for one in checks if one["name"] == "known kernels")
    there = json.loads(lab(tmp_path, "doctor", "--json").stdout)["checks"]

    assert (check["ok"], check["needed"], check["package"]) == (False, False, "gpgv")
    assert "gpgv is not installed" in check["found"]
    (check,) = (one for one in there if one["name"] == "known kernels")
    assert check["ok"]
    assert check["found"].startswith("0 of 20 in the cache")


def test_doctor_reports_damaged_kernel_data(tmp_path: Path) -> None:
    """All other checks still run."""
    (tmp_path / "kernels.d").mkdir()
    (tmp_path / "kernels.d" / "mine.toml").write_text("x =\n")
    checks = json.loads(lab(tmp_path, "doctor", "--json", LAB_KERNELS=str(tmp_path / "kernels.d")).stdout)["checks"]

    (check,) = (one for one in checks if one["name"] == "known kernels")
    assert (check["ok"], check["needed"], "mine.toml:1" in check["found"]) == (False, False, True)


def test_the_default_is_chosen_with_its_reason(tmp_path: Path) -> None:
    """Without Vagrant a replica by the embedded provider is the default."""
    result = lab(tmp_path, "up", "old", "--dry-run", PATH=str(tmp_path))

    assert result.returncode == 0, result.stderr
    text = " ".join(result.stdout.split())
    assert "old: conntrack as on CentOS 7.0 (3.10.0-123), a replica, by qemu: Vagrant is not installed" in text


@pytest.mark.parametrize("arguments", [["up", "old", "new", "--system", "kernel"], ["demo", "--system", "kernel"]])
def test_unavailable_kernels_are_one_line_with_how_to_supply_them(tmp_path: Path, arguments: list[str]) -> None:
    """Exit status 3 at once, and no machine is left half created."""
    result = lab(tmp_path, *arguments)

    assert (result.returncode, result.stdout) == (3, "")
    message, hint = result.stderr.splitlines()[-2:]
    assert message.startswith("lab: the packages of centos:7.0.1406 (kernel-3.10.0-123.el7.x86_64.rpm, kernel-devel-")
    assert "Connection refused" in message
    assert "lab kernel add centos:7.0.1406 --from DIR" in hint
    assert "LAB_VAULT=ADDRESS" in hint
    assert not list((tmp_path / "machines").glob("*/*"))


def test_a_typed_system_that_a_machine_lacks_lists_its_systems(tmp_path: Path) -> None:
    """The error comes before any network request for the other machines."""
    result = lab(tmp_path, "up", "old", "today", "--system", "kernel")

    assert result.returncode == 2
    assert "today has no system kernel; it has: replica" in result.stderr
    assert "looking for the packages" not in result.stderr
    assert lab(tmp_path, "up", "old", "--system", "kernel", "--provider", "vagrant").stderr.startswith(
        "lab: only qemu brings up the system kernel, and --provider is vagrant"
    )


def test_a_plan_for_a_real_kernel_names_its_source(tmp_path: Path) -> None:
    """Nothing is downloaded for the plan."""
    (plan,) = json.loads(lab(tmp_path, "up", "old", "--system", "kernel", "--dry-run", "--json").stdout)[
        "machines"
    ].values()

    assert plan["title"] == "CentOS 7.0's kernel (3.10.0-123) under Debian 12's userland"
    assert plan["reason"].startswith("--system asks for it; its kernel's packages cannot be downloaded (127.0.0.1:9:")


def test_an_unavailable_request_names_its_source(tmp_path: Path) -> None:
    """The error says which option, variable or file requested it."""
    assert "possible values: qemu, vagrant" in lab(tmp_path, "up", "old", "--provider", "docker").stderr
    assert "LAB_PROVIDER is 'docker'" in lab(tmp_path, "up", "old", LAB_PROVIDER="docker").stderr


@pytest.mark.parametrize(
    "aim",
    [
        ["--target", "www.example.com"],
        ["--nameserver", "192.0.2.53"],
        ["--target", "www.example.com", "--nameserver", "one.one"],
        ["--target", "a b; rm", "--nameserver", "192.0.2.53"],
    ],
)
def test_an_invalid_target_is_refused_before_any_machine_is_touched(tmp_path: Path, aim: list[str]) -> None:
    """A name and an address are required together, and nothing else is passed to a guest."""
    result = lab(tmp_path, "run", "old", *aim)

    assert result.returncode == 2
    assert "--target takes a host name and --nameserver an IPv4 address" in result.stderr


def _verbs(command: click.Command, context: click.Context) -> Iterator[click.Context]:
    """Yield the contexts of a verb and of all its subcommands."""
    yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            verb = command.get_command(context, name)
            assert verb is not None
            yield from _verbs(verb, click.Context(verb, context, info_name=name))


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version_is_one_line(tmp_path: Path, option: str) -> None:
    """For a report of a fault."""
    result = lab(tmp_path, option)

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("lab, version ")


@pytest.mark.parametrize("verb", [[], ["run"], ["kernel", "add"], ["ssh"], ["completion"]])
def test_h_is_help(tmp_path: Path, verb: list[str]) -> None:
    """Also where options are passed on."""
    result = lab(tmp_path, *verb, "-h")

    assert result.returncode == 0
    assert result.stdout.startswith("Usage: lab")


WITHOUT_RESULT = {"lab ssh", "lab completion", "lab man"}


def test_every_verb_takes_the_habitual_options() -> None:
    """-q, -v and --json wherever there is a result to print and progress to leave out."""
    for one in _verbs(cli, click.Context(cli, info_name="lab")):
        options = {name for parameter in one.command.params for name in parameter.opts}
        if one.command_path not in {"lab ssh", "lab completion", "lab man"} and not isinstance(
            one.command, click.Group
        ):
            assert {"-q", "--quiet", "--json"} <= options, one.command_path


def test_the_help_of_every_verb_fits_80_columns() -> None:
    """A wrapped example can neither be read nor copied."""
    texts = {one.command_path: one.get_help() for one in _verbs(cli, click.Context(cli, info_name="lab"))}

    assert "lab kernel add" in texts
    assert [(name, line) for name, text in texts.items() for line in text.splitlines() if len(line) > COLUMNS] == []


def test_the_overview_names_every_verb_and_both_terms_without_loading_a_verb() -> None:
    """A newcomer reads it first; it must not wait for modules that only one verb needs."""
    program = "import sys; from lab.cli.main import cli; cli(['--help'], standalone_mode=False); print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    *overview, modules = printed.splitlines()
    verbs = [line.split()[0] for line in overview[overview.index("Try it:") :] if line.startswith("  ")]

    assert verbs == cli.list_commands(click.Context(cli))
    assert {"era", "armed"} <= {line.split()[0] for line in overview if line.startswith("    ")}
    assert not {"lab.cli.machines", "lab.cli.trials"} & set(modules.split())
