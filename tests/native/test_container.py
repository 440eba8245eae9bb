"""The container, built from a Debian 13 root of this host's mirrors, and the demo in it: no privileges, no network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.foundation.home import PROJECT

pytestmark = [
    pytest.mark.container,
    pytest.mark.skipif(shutil.which("buildah") is None, reason="buildah is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="chroot isolation and a separate network namespace take root here"),
]

MOST_BYTES = 900_000_000
"""What the container may have, unpacked."""

BOUND_S = 3600


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return the environment of a buildah that stores everything in a separate directory."""
    storage = tmp_path_factory.mktemp("containers")
    settings = storage / "storage.conf"
    settings.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{storage}/root"\nrunroot = "{storage}/run"\n')
    yield {**os.environ, "CONTAINERS_STORAGE_CONF": str(settings), "LAB_HOME": str(storage / "lab")}
    shutil.rmtree(storage)


@pytest.fixture(scope="module")
def archive(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the container in one file."""
    path = tmp_path_factory.mktemp("out") / "five-second-lab.oci.tar"
    script = PROJECT / "provision" / "container" / "build.sh"
    done = subprocess.run(
        [script, "--own-base", path], env=environment, capture_output=True, text=True, timeout=BOUND_S, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return path


@pytest.fixture(scope="module")
def container(environment: dict[str, str], archive: Path) -> str:
    """Return the name of a container that was made of the file, as on a laptop."""
    made = ["buildah", "from", "--name", "laptop", f"oci-archive:{archive}"]
    subprocess.run(made, env=environment, capture_output=True, text=True, check=True, timeout=BOUND_S)
    return "laptop"


def run(environment: dict[str, str], container: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the lab in the container as its user, in a network namespace with a loopback only."""
    inside = ["buildah", "run", "--isolation", "chroot", container, "--", "/opt/five-second-lab/enter", *arguments]
    command = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *inside]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=BOUND_S, check=False)


def test_it_is_small_enough_for_a_stick(environment: dict[str, str], container: str) -> None:
    """Unpacked, as podman would count it."""
    mounted = subprocess.run(
        ["buildah", "mount", container], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()
    used = subprocess.run(["du", "--summarize", "--bytes", mounted], capture_output=True, text=True, check=True).stdout
    subprocess.run(["buildah", "umount", container], env=environment, capture_output=True, check=True)
    assert int(used.split()[0]) < MOST_BYTES


def test_an_incident_needs_no_machine(environment: dict[str, str], container: str) -> None:
    """Nor the guest image, which is not unpacked for it."""
    done = run(environment, container, "mystery", "--list")
    assert done.returncode == 0, done.stderr
    assert "agent" in done.stdout


def test_the_demo_runs_without_privileges_kvm_and_network(environment: dict[str, str], container: str) -> None:
    """Under Python and QEMU of Debian 13: the stall on old, none on new."""
    done = run(environment, container, "demo", "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    document = json.loads(done.stdout)
    cells = {(cell["machine"], cell["scenario"]): cell for cell in document["cells"]}
    assert cells["old", "nfqueue"]["verdict"] == "stalled"
    assert cells["new", "nfqueue"]["verdict"] == "healthy"

    doctor = run(environment, container, "doctor", "--json")
    assert doctor.returncode == 0, doctor.stdout
    checks = {check["name"]: check for check in json.loads(doctor.stdout)["checks"]}
    assert "Debian GNU/Linux 13" in checks["host"]["found"]
    assert checks["guest image"]["ok"]
    assert not checks["KVM"]["ok"]
