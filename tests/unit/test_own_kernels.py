"""Which real kernel a machine uses, where it comes from, and what is known of the network."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from lab.catalogue import find
from lab.catalogue.machine import OwnKernel, System
from lab.commands import kernels as kernel_commands
from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.foundation.home import MACHINES, PROVISION, Home
from lab.foundation.work import Note, Work
from lab.kernels import by_name, known, network, obtain
from lab.kernels.known import Known
from lab.kernels.network import Network
from lab.kernels.own import OwnKernels
from lab.kernels.source import KernelSource
from lab.kernels.store import Kernel, KernelStore
from lab.provider.choice import Choice
from lab.provider.host import Host
from lab.provider.preference import Preference, ProviderName
from lab.provider.qemu_process import DISK
from lab.session.providers import Providers
from lab.session.session import Session
from lab.session.systems import Systems
from tests.command_line import UNREACHABLE

NAMES = ("centos:7.0.1406", "centos:7.8.2003")
RELEASES = {"centos:7.0.1406": "3.10.0-123.el7.x86_64", "centos:7.8.2003": "3.10.0-1127.el7.x86_64"}
OWN = OwnKernel(title="CentOS 7.0's kernel", known=NAMES[0])


class Downloads:
    """Downloads in place of the network; each request takes some time and is counted."""

    def __init__(self, problems: Mapping[str, str | None], takes_s: float = 0.0) -> None:
        self.problems = problems
        self.takes_s = takes_s
        self.asked: list[str] = []

    def can_download(self, kernel: Known, bound_s: float = 3.0) -> str | None:
        """Return why a kernel cannot be downloaded."""
        self.asked.append(kernel.name)
        time.sleep(min(self.takes_s, bound_s))
        return self.problems[kernel.name]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return an empty lab."""
    return Home(tmp_path / "lab", tmp_path / "cache", tmp_path / "config.toml")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Downloads:
    """Provide a network without any server, and no Vagrant."""
    downloads = Downloads(dict.fromkeys(NAMES, "vault: no answer within 3 s"))
    monkeypatch.setattr(obtain, "can_download", downloads.can_download)
    monkeypatch.setenv("PATH", "")
    return downloads


def kernel(name: str, release: str, *, known: str | None = None, lacks: tuple[str, ...] = ()) -> Kernel:
    """Return an added kernel."""
    return Kernel(
        name=name,
        release=release,
        sources=(KernelSource(given=f"/somewhere/kernel-{release}.rpm", sha256="0" * 64),),
        added=f"2026-01-01T00:00:00Z {name}",
        modules=1,
        headers=True,
        lacks=lacks,
        disk="virtio",
        network="virtio",
        known=known,
    )


def put(home: Home, *kernels: Kernel) -> KernelStore:
    """Store kernels."""
    store = KernelStore(home.kernels)
    for one in kernels:
        files = home.path / "unfinished"
        files.mkdir(parents=True)
        home.kernels.mkdir(exist_ok=True)
        store.put(one, files)
    return store


def own_kernels(home: Home, *kernels: Kernel) -> OwnKernels:
    """Return the real kernels of a lab to which these were added."""
    return OwnKernels(put(home, *kernels), PROVISION, home.cache, Work())


def test_a_kernel_added_from_files_is_used_by_its_release(home: Home, offline: Downloads) -> None:
    """Users without a network add RPM files; the machine's title says that they are unverified."""
    own = own_kernels(home, kernel("linux-3-10", RELEASES[NAMES[0]]), kernel("other", "5.0.0"))

    assert own.where(NAMES[0]) == "its kernel was added (linux-3-10)"
    system = own.obtained(OWN, None)
    assert (system.kernel, system.stands_in, system.verified) == ("linux-3-10", True, False)
    assert system.title.startswith("CentOS 7.0's kernel, from kernel-3.10.0-123.el7.x86_64.rpm")
    assert "its signature was not verified" in system.title
    assert system.kind is System.KERNEL
    assert own.where(NAMES[1]) is None
    assert offline.asked == [NAMES[1]]


def test_a_verified_kernel_is_preferred_among_equal_releases(home: Home, offline: Downloads) -> None:
    """A kernel without the modules that trials need is never used."""
    release = RELEASES[NAMES[0]]
    own = own_kernels(
        home,
        kernel("a-lacking-one", release, lacks=("veth",)),
        kernel("given", release),
        kernel("named-otherwise", release, known=NAMES[0]),
    )
    system = own.obtained(OWN, None)

    assert (system.kernel, system.verified, system.title) == ("named-otherwise", True, "CentOS 7.0's kernel")
    assert offline.asked == []


def test_a_machine_keeps_the_kernel_it_was_created_with(home: Home) -> None:
    """A newer one would make its saved state useless."""
    store = put(home, kernel("given", RELEASES[NAMES[0]]))
    own = OwnKernels(store, PROVISION, home.cache, Work())
    there = own.obtained(OWN, None)
    put(home, kernel("centos-7-0-1406", RELEASES[NAMES[0]], known=NAMES[0]))

    assert own.obtained(OWN, there) == there
    store.remove("given")
    assert own.obtained(OWN, there).kernel == "centos-7-0-1406"


def test_an_unavailable_kernel_is_refused_at_once_with_a_hint(home: Home, offline: Downloads) -> None:
    """There are no repeated download attempts."""
    with pytest.raises(
        BrokenEnvironment, match=r"kernel-3\.10\.0-123\.el7\.x86_64\.rpm.*no answer within 3 s"
    ) as caught:
        own_kernels(home).obtained(OWN, None)

    for help_ in ("lab kernel add centos:7.0.1406 --from DIR", "LAB_VAULT", "--system replica"):
        assert help_ in (caught.value.hint or "")
    assert offline.asked == [NAMES[0]]


def test_all_kernels_are_checked_in_parallel_and_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two machines wait no longer than one."""
    downloads = Downloads({NAMES[0]: None, NAMES[1]: "vault: 404"}, takes_s=0.5)
    monkeypatch.setattr(obtain, "can_download", downloads.can_download)
    own = own_kernels(home)
    own.expect(NAMES)
    started = time.monotonic()

    assert own.where(NAMES[0]) == "its kernel's packages can be downloaded"
    assert own.where(NAMES[1]) is None
    assert "vault: 404" in own.why_not(NAMES[1])
    assert time.monotonic() - started < 0.9
    assert sorted(downloads.asked) == sorted(NAMES)


def test_an_unreachable_network_is_remembered_until_it_expires(
    home: Home, offline: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An offline machine does not wait each time; another vault invalidates the answer."""
    assert own_kernels(home).where(NAMES[0]) is None
    assert "s ago" in OwnKernels(KernelStore(home.kernels), PROVISION, home.cache, Work()).why_not(NAMES[0])
    assert offline.asked == [NAMES[0]]

    monkeypatch.setenv("LAB_VAULT", UNREACHABLE)
    assert own_kernels(home).where(NAMES[0]) is None
    assert offline.asked == [NAMES[0]] * 2

    memory = home.cache / "unreachable.json"
    answers = json.loads(memory.read_text())
    for at_s in (time.time() - network.REMEMBERED_S - 1, time.time() + 60):
        answers["answers"][NAMES[0]]["at_s"] = at_s
        memory.write_text(json.dumps(answers))
        offline.asked.clear()
        assert own_kernels(home).where(NAMES[0]) is None
        assert offline.asked == [NAMES[0]]
    memory.write_text("{")
    assert own_kernels(home).where(NAMES[0]) is None


def test_another_debian_mirror_is_tried_despite_a_remembered_failure(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is set because the first one did not answer."""
    debian = "debian:12"
    downloads = Downloads({debian: "no"})
    monkeypatch.setattr(obtain, "can_download", downloads.can_download)
    for mirror in ("http://one.example.com", "http://two.example.com"):
        monkeypatch.setenv("LAB_MIRROR", mirror)
        assert Network(home.cache).where(known.get(PROVISION, debian)) is None
    assert downloads.asked == [debian] * 2


def test_an_explicit_request_checks_the_network_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A remembered answer is valid only for a default."""
    down, up = Downloads(dict.fromkeys(NAMES, "no")), Downloads(dict.fromkeys(NAMES))
    monkeypatch.setattr(obtain, "can_download", down.can_download)
    wanted = known.get(PROVISION, NAMES[0])
    assert Network(home.cache).where(wanted) is None
    monkeypatch.setattr(obtain, "can_download", up.can_download)
    assert Network(home.cache).where(wanted) is None
    assert Network(home.cache).problem_now(wanted) is None
    assert Network(home.cache).where(wanted) == "its kernel's packages can be downloaded"


def test_a_refusing_vault_is_detected_before_the_timeout(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real check connects to a closed loopback port."""
    monkeypatch.setenv("LAB_VAULT", UNREACHABLE)
    own = own_kernels(home)
    own.expect(NAMES)
    started = time.monotonic()

    assert [own.where(name) for name in NAMES] == [None, None]
    assert time.monotonic() - started < network.DECISION_S
    assert "refused" in own.why_not(NAMES[0])


def systems(home: Home, notes: list[str]) -> Systems:
    """Return the systems of a lab, which record their notes."""
    work = Work(lambda event: notes.append(event.text) if isinstance(event, Note) else None)
    host = Host(home, work)
    return Systems(home, KernelStore(home.kernels), host, Providers(home, work, host), work)


def test_without_vagrant_and_network_machines_are_replicas_and_one_line_each_says_why(
    home: Home, offline: Downloads
) -> None:
    """Nothing is requested for a machine without a real kernel."""
    notes: list[str] = []
    machines = systems(home, notes).choose(find.machines(MACHINES, ["old", "new", "today"]), Preference())

    assert [machine.kind for machine in machines] == [System.REPLICA, System.REPLICA, System.DEBIAN]
    assert sorted(offline.asked) == sorted(NAMES)
    assert all("a replica, by qemu: " in note and "no answer within 3 s" in note for note in notes[:2])
    assert len(notes) == 3


@pytest.mark.parametrize("preference", [Preference(), Preference(system=System.REPLICA)])
def test_a_machine_with_an_unknown_kernel_can_be_a_replica(
    home: Home, offline: Downloads, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, preference: Preference
) -> None:
    """LAB_KERNELS may name a directory with other kernels; the demonstration needs none."""
    monkeypatch.setenv("LAB_KERNELS", str(tmp_path / "empty"))
    notes: list[str] = []
    (machine,) = systems(home, notes).choose(find.machines(MACHINES, ["old"]), preference)

    assert machine.kind is System.REPLICA
    assert preference.system or "no known kernel is called 'centos:7.0.1406'" in notes[0]
    assert offline.asked == []


@pytest.mark.parametrize("system", [System.REPLICA, None])
def test_explicit_replicas_use_no_network(home: Home, offline: Downloads, system: System | None) -> None:
    """`lab demo` is offline; an available kernel needs no network either."""
    if system is None:
        put(home, *(kernel(name.replace(":", "-").replace(".", "-"), RELEASES[name], known=name) for name in NAMES))
    preference = Preference(system=system, system_asked_by="the demonstration")

    machines = systems(home, []).choose(find.machines(MACHINES, ["old", "new"]), preference)

    assert {machine.kind for machine in machines} == {system or System.KERNEL}
    assert offline.asked == []


def test_a_failed_download_is_an_error_or_falls_back_to_a_replica(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """An explicit request fails; a default becomes a replica with the reason."""

    def broken(*_: object, **__: object) -> None:
        raise BrokenEnvironment("the line broke")

    monkeypatch.setattr(obtain, "can_download", Downloads(dict.fromkeys(NAMES)).can_download)
    monkeypatch.setattr(by_name, "ensure_added", broken)
    monkeypatch.setenv("PATH", "")
    notes: list[str] = []
    definitions = find.machines(MACHINES, ["old"])
    (machine,) = systems(home, notes).choose(definitions, Preference())

    assert machine.kind is System.REPLICA
    assert notes[0].endswith("can be downloaded, but the line broke")
    with pytest.raises(BrokenEnvironment, match="the line broke"):
        systems(home, notes).choose(definitions, Preference(system=System.KERNEL))


def test_an_option_invalid_for_one_machine_is_refused_before_any_download(home: Home, offline: Downloads) -> None:
    """A typing error shows at once."""
    preference = Preference(system=System.KERNEL, system_asked_by="--system", insists_on_system=True)
    with pytest.raises(BadInput, match="today has no system kernel"):
        systems(home, []).choose(find.machines(MACHINES, ["old", "today"]), preference)

    assert offline.asked == []


def test_a_stored_choice_is_readable_without_its_kernel(home: Home) -> None:
    """If its kernel was removed by hand, `lab status` and `lab destroy` must still work."""
    store = put(home, kernel("given", RELEASES[NAMES[0]]))
    own = OwnKernels(store, PROVISION, home.cache, Work())
    decision = Choice(
        provider=ProviderName.QEMU, system=System.KERNEL, kernel=own.obtained(OWN, None), reason="--system asks for it"
    )
    home.choice("old").parent.mkdir(parents=True)
    home.choice("old").write_text(decision.model_dump_json())
    store.remove("given")

    (machine,) = systems(home, []).current(find.machines(MACHINES, ["old"]))

    assert (machine.kind, machine.era, machine.verified) == (System.KERNEL, "drop", False)


def test_a_kernel_that_a_machine_runs_on_is_not_removed(home: Home) -> None:
    """The machine could not boot any more; after its destruction the kernel may be removed."""
    store = put(home, kernel("given", RELEASES[NAMES[0]]))
    own = OwnKernels(store, PROVISION, home.cache, Work()).obtained(OWN, None)
    decision = Choice(provider=ProviderName.QEMU, system=System.KERNEL, kernel=own, reason="--system asks for it")
    directory = home.machine("old")
    directory.mkdir(parents=True)
    home.choice("old").write_text(decision.model_dump_json())
    (directory / DISK).touch()

    with Session(home, Work()) as session:
        with pytest.raises(BadInput, match="kernel given is the kernel of the machine old") as caught:
            kernel_commands.remove(session, ["given"])
        assert caught.value.hint == "destroy the machine first: lab destroy old"
        assert session.kernels.names() == ["given"]
        (machine,) = session.current(session.find(["old"]))
        session.provider(machine).destroy(machine)
        kernel_commands.remove(session, ["given"])
        assert session.kernels.names() == []
