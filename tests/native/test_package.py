"""The wheel, installed in an empty environment and used in an empty directory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.foundation.home import PROVISION
from lab.image.recipe import Recipe
from tests import installed, stored_runs
from tests.installed import Installed


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """Return the installed lab; nothing that is done with it may change it, as it may be readable only."""
    lab = installed.install(tmp_path_factory.mktemp("package"))
    before = contents(lab.package)
    yield lab
    assert contents(lab.package) == before


def contents(directory: Path) -> dict[str, str]:
    """Return what each file holds, without what Python compiles."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_doctor_finds_its_data_and_its_home(wheel: Installed) -> None:
    """Known kernels, the image's recipe and a space to work in are all found without a checkout."""
    done = wheel.run("doctor", "--json")

    assert done.returncode in {0, 3}, done.stderr
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["mmdebstrap"]["ok"]
    assert "Traceback" not in done.stderr


def test_incidents_are_listed_and_a_sample_is_diagnosed(wheel: Installed) -> None:
    """What a newcomer tries first needs no machine."""
    listed = wheel.run("mystery", "--list")
    written = wheel.run("diagnose", "--example", "samples")
    diagnosed = wheel.run("diagnose", *map(str, sorted((wheel.empty / "samples" / "this-bug").iterdir())))

    assert (listed.returncode, written.returncode) == (0, 0), listed.stderr + written.stderr
    assert "fixed-kernel" in listed.stdout
    assert diagnosed.returncode == 0, diagnosed.stderr
    assert "this bug" in diagnosed.stdout.lower()


def test_a_recorded_run_is_compared_in_the_users_own_state_directory(wheel: Installed) -> None:
    """Where there is no checkout and no LAB_HOME, the lab's home is the user's (XDG)."""
    stored_runs.at(wheel.home).run(("old-nfqueue", "new-nfqueue"))
    done = wheel.run("compare", "--json")
    page = wheel.run("report", "-o", "report.html")

    assert done.returncode == 0, done.stderr
    assert {cell["machine"] for cell in json.loads(done.stdout)["cells"]} == {"old", "new"}
    assert page.returncode == 0, page.stderr
    assert (wheel.empty / "report.html").stat().st_size > 0


def test_a_home_in_the_current_directory_comes_first(wheel: Installed) -> None:
    """A lab that was begun in a directory is found there again."""
    home = wheel.empty / ".lab"
    home.mkdir()
    try:
        stored_runs.at(home).run(("old-baseline",))
        done = wheel.run("compare", "--json")
    finally:
        for path in sorted(home.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        home.rmdir()

    assert [cell["scenario"] for cell in json.loads(done.stdout)["cells"]] == ["baseline"]


def test_scenarios_are_found_by_name(wheel: Installed) -> None:
    """A wheel without them would say that no scenario has this name; so it says that no machine runs."""
    done = wheel.run("run", "old", "-s", "nfqueue")

    assert done.returncode == 3
    assert "not running" in done.stderr
    assert "scenario" not in done.stderr.splitlines()[0]


def test_the_vagrantfile_is_rendered(wheel: Installed) -> None:
    """Its template lies beside the package in a checkout."""
    done = wheel.run("up", "old", "--system", "replica", "--provider", "vagrant", "--dry-run")

    assert done.returncode in {0, 3}, done.stderr
    assert "Vagrantfile.j2" not in done.stderr
    assert wheel.python("from lab.provider.vagrant import TEMPLATE; print(TEMPLATE.is_file())") == "True"


def test_the_image_is_that_of_a_checkout(wheel: Installed) -> None:
    """The same sources make the same image, so that both use one cache."""
    program = (
        "from lab.foundation.home import PROVISION; from lab.image.recipe import Recipe; "
        "print(Recipe.from_environment(PROVISION).digest)"
    )

    assert wheel.python(program) == Recipe.from_environment(PROVISION).digest


def test_the_program_of_a_check_is_built(wheel: Installed) -> None:
    """It is made of sources that may be readable only, in the lab's home."""
    program = (
        "from lab.foundation.home import Home; from lab.foundation.work import Work; "
        "from lab.remote_check.program import built; print(built(Home.from_environment(), Work()))"
    )

    assert Path(wheel.python(program)).is_relative_to(wheel.home)


def test_a_cluster_without_dask_ends_with_the_command_that_installs_it(wheel: Installed) -> None:
    """Dask is an extra: most people make their trials on one machine."""
    done = wheel.run("matrix", "old", "-s", "nfqueue", "--scheduler", "tcp://127.0.0.1:9")

    assert done.returncode == 3
    assert "five-second-lab[cluster]" in done.stderr
    assert "Traceback" not in done.stderr
