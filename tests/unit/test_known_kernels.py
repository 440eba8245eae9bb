"""Known kernels: what their data must contain, and how names are matched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lab.foundation.errors import BadInput
from lab.foundation.home import PROVISION
from lab.kernels import known
from lab.kernels.source import KernelSource
from lab.kernels.store import Kernel, KernelStore
from tests.command_line import lab

FAMILY = """
bases = ["https://vault.example.com"]
packages = ["{tag}/kernel-{release}.rpm"]
checked = true
[key]
fingerprint = "0123456789ABCDEF0123456789ABCDEF01234567"
files = ["{tag}/KEY", "https://example.com/KEY"]
[[kernel]]
name = "mine:1.10"
release = "3.10.0-1.x86_64"
[[kernel]]
name = "mine:1.9"
release = "3.10.0-2.x86_64"
"""


def provision(tmp_path: Path, text: str = FAMILY) -> Path:
    """Write a `provision/` with one family."""
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "mine.toml").write_text(text)
    return tmp_path


def test_the_articles_kernels_are_known_with_their_eras_and_the_runs_that_measured_them() -> None:
    """An era without a run would be a guess by version."""
    eras = {one.name: one.era for one in known.load(PROVISION) if one.name.startswith("centos")}

    assert {name: era for name, era in eras.items() if era} == {"centos:7.0.1406": "drop", "centos:7.8.2003": "resolve"}
    assert len([name for name in eras if name.startswith("centos:7.")]) == 10
    assert all((one.era is None) == (one.measured is None) for one in known.load(PROVISION))


def test_centos_7_0_comes_from_the_vault_by_the_key_of_centos_7() -> None:
    """Another address or key would mean another kernel."""
    kernel = known.get(PROVISION, "centos:7.0.1406")

    assert kernel.packages == tuple(
        f"7.0.1406/os/x86_64/Packages/{name}-3.10.0-123.el7.x86_64.rpm" for name in ("kernel", "kernel-devel")
    )
    assert kernel.bases[0] == "https://vault.centos.org"
    assert kernel.key is not None
    assert kernel.key.fingerprint == "6341AB2753D78A78A7C27BB124C6A8A7F4A80EB5"
    assert kernel.store_name == "centos-7-0-1406"


def test_unverified_file_names_are_marked() -> None:
    """A 404 for such a name suggests wrong data."""
    assert {one.name.split(".")[0] for one in known.load(PROVISION) if not one.checked} == {"centos:8"}


def test_a_family_fills_in_each_kernels_tag_and_release(tmp_path: Path) -> None:
    """A new kernel takes one table; 1.9 sorts before 1.10."""
    kernels = known.load(provision(tmp_path))

    assert [one.name for one in kernels] == ["mine:1.9", "mine:1.10"]
    assert kernels[1].packages == ("1.10/kernel-3.10.0-1.x86_64.rpm",)
    assert kernels[1].key is not None
    assert kernels[1].key.files == ("1.10/KEY", "https://example.com/KEY")
    assert kernels[1].files == ("kernel-3.10.0-1.x86_64.rpm",)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (('name = "mine:1.9"', 'name = "mine:1-10"'), "there is already a kernel 'mine:1-10' or 'mine-1-10'"),
        (('name = "mine:1.9"', 'name = "mine"'), "name: string should match"),
        (('name = "mine:1.9"', f'name = "mine:{"9" * 30}"'), "is not a valid machine name"),
        (('release = "3.10.0-2.x86_64"', 'release = "r"\nera = "drop"'), "belong together"),
        (('release = "3.10.0-2.x86_64"', 'release = "r"\nera = "guess"\nmeasured = "m"'), "era"),
        (('release = "3.10.0-2.x86_64"', 'release = "r"\nsuite = "sid"'), "'suite'"),
        (('"{tag}/kernel-{release}.rpm"', '"../../etc/passwd"'), "packages"),
        (("https://vault.example.com", "file:///etc"), "bases"),
        (("https://vault.example.com", "https://user:secret@vault.example.com"), "bases"),
        (("0123456789ABCDEF0123456789ABCDEF01234567", "F4A80EB5"), "fingerprint"),
        (('bases = ["https://vault.example.com"]', ""), "belong together"),
    ],
)
def test_unsafe_kernel_data_is_refused_with_its_file(tmp_path: Path, change: tuple[str, str], refusal: str) -> None:
    """Short key ids can be forged, an era without a run is a guess, and passwords do not belong in the tree."""
    with pytest.raises(BadInput, match=refusal) as caught:
        known.load(provision(tmp_path, FAMILY.replace(*change)))
    assert "mine.toml" in caught.value.message


@pytest.mark.parametrize(
    ("typed", "near"),
    [("centos:7.5", "centos:7.5.1804"), ("centos-7.5.1804", "centos:7.5.1804"), ("debian12", "debian:12")],
)
def test_a_mistyped_kernel_name_gets_suggestions(typed: str, near: str) -> None:
    """The months in CentOS's releases are hard to remember."""
    with pytest.raises(BadInput, match="no known kernel is called") as caught:
        known.get(PROVISION, typed)
    assert caught.value.hint is not None
    assert near in caught.value.hint


def test_a_pattern_matches_releases_in_version_order() -> None:
    """`lab matrix --kernels` accepts such patterns."""
    names = [one.name for one in known.matching(PROVISION, "centos:7.[089]*")]

    assert names == ["centos:7.0.1406", "centos:7.8.2003", "centos:7.9.2009"]
    assert known.matching(PROVISION, "solaris:*") == ()


def test_known_kernels_are_listed_with_their_state(tmp_path: Path) -> None:
    """The list has the era and its source, cache and lab state, and unverified file names."""
    listing = " ".join(lab(tmp_path, "kernel", "known", "centos:[78].[08]*").stdout.split())
    for words in ("centos:7.0.1406 3.10.0-123.el7.x86_64 drop no -", "43 of 43", "never checked: centos:8.0.1905"):
        assert words in listing
    document = json.loads(lab(tmp_path, "kernel", "known", "--json").stdout)["known"]
    assert document["centos:7.8.2003"]["era"] == "resolve"
    assert (document["centos:7.1.1503"]["era"], document["centos:7.1.1503"]["cached"]) == (None, False)
    wrong = lab(tmp_path, "kernel", "known", "centos:9")
    assert (wrong.returncode, "no known kernel" in wrong.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (("centos:7.5",), "did you mean centos:7.5.1804"),
        (("centos:7.5.1804", "centos:7.6.1810"), "one kernel at a time"),
        (("centos:7.5.1804", "--sha256", "00"), "verified by its signature"),
        (("centos:7.5.1804", "--from", "/nowhere"), "no such directory"),
        (("/nowhere/kernel.rpm", "--from", "."), "--from goes with a known kernel's name"),
        (("debian:12", "--from", "."), "a Debian package alone has no signature"),
    ],
)
def test_options_that_conflict_with_a_known_kernel_are_refused(
    tmp_path: Path, arguments: tuple[str, ...], refusal: str
) -> None:
    """The error is one line and comes before any download."""
    result = lab(tmp_path, "kernel", "add", *arguments)

    assert (result.returncode, refusal in result.stderr, "Traceback" in result.stderr) == (2, True, False), (
        result.stderr
    )


VERBS_FOR_A_KERNEL = [
    ("classify",),
    ("up",),
    ("up", "--dry-run"),
    ("status",),
    ("halt",),
    ("destroy",),
    ("run",),
    ("run", "--kernel"),
    ("matrix",),
    ("ssh",),
    ("kernel", "remove"),
]


@pytest.mark.parametrize("verb", VERBS_FOR_A_KERNEL)
def test_a_known_but_missing_kernel_suggests_the_add_command(tmp_path: Path, verb: tuple[str, ...]) -> None:
    """Every verb gives this answer."""
    result = lab(tmp_path, *verb, "centos:7.0.1406")

    assert result.returncode == 2
    assert "lab kernel add centos:7.0.1406" in " ".join(result.stderr.split())


def _added(home: Path, name: str, *, known: str | None) -> None:
    """Add a kernel without the modules that trials need, so that no verb boots it."""
    kernel = Kernel(
        name=name,
        release="3.10.0-123.el7.x86_64",
        sources=(KernelSource(given="/somewhere/kernel.rpm", sha256="0" * 64),),
        added="2026-01-01T00:00:00Z",
        modules=1,
        headers=True,
        lacks=("veth",),
        disk="virtio",
        network="virtio",
        known=known,
    )
    files = home / "files"
    files.mkdir()
    (home / "kernels").mkdir(exist_ok=True)
    KernelStore(home / "kernels").put(kernel, files)


def test_an_added_known_kernel_has_its_known_name_in_every_verb(tmp_path: Path) -> None:
    """Its local name does not matter; a kernel added from files never counts as a known one."""
    _added(tmp_path, "el70", known="centos:7.0.1406")
    _added(tmp_path, "centos-7-5-1804", known=None)

    classified = lab(tmp_path, "classify", "centos:7.0.1406", "el70", "--json")
    assert (classified.returncode, list(json.loads(classified.stdout)["machines"])) == (1, ["el70"])
    assert list(json.loads(lab(tmp_path, "status", "centos:7.0.1406", "--json").stdout)["machines"]) == ["el70"]
    assert "no trial can be made on kernel el70" in lab(tmp_path, "run", "--kernel", "centos:7.0.1406").stderr
    assert "el70" in lab(tmp_path, "ssh", "centos:7.0.1406").stderr
    document = json.loads(lab(tmp_path, "kernel", "known", "--json").stdout)["known"]
    assert {name: one["added_as"] for name, one in document.items() if one["added_as"]} == {"centos:7.0.1406": "el70"}
    assert "lab kernel add centos:7.5.1804" in lab(tmp_path, "classify", "centos:7.5.1804").stderr
    assert lab(tmp_path, "kernel", "remove", "centos:7.0.1406").stdout == "removed: el70\n"


def test_every_key_of_the_kernel_data_is_documented() -> None:
    """The documentation is beside the data."""
    explained = (PROVISION / "kernels" / "README.md").read_text()
    for path in (PROVISION / "kernels").glob("*.toml"):
        keys = {
            line.split("=")[0].strip() for line in path.read_text().splitlines() if "=" in line and line[0].isalpha()
        }
        assert [key for key in keys if f"`{key}`" not in explained and f"\n    {key} =" not in explained] == []


def test_kernel_data_is_read_from_the_given_directory(tmp_path: Path) -> None:
    """The package's own data is not used then."""
    shutil.copytree(PROVISION / "kernels", tmp_path / "kernels")
    (tmp_path / "kernels" / "centos-8.toml").unlink()

    assert known.matching(PROVISION, "centos:8*")
    assert not known.matching(tmp_path, "centos:8*")
    assert known.matching(tmp_path, "centos:7*") == known.matching(PROVISION, "centos:7*") != ()
