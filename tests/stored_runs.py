"""Stored runs made of recorded trials, for tests that need no guest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab import dial
from lab.catalogue import find
from lab.catalogue.era import Era
from lab.catalogue.scenario import Scenario
from lab.home import SCENARIOS
from lab.store import RanOn, Run, RunStore

RECORDED = Path(__file__).parent / "evidence" / "replicas"

MACHINES = {
    "old": RanOn(kernel="6.1.0-56-cloud-amd64", era=Era.DROP, replica=True, title="o", system="Debian GNU/Linux 12"),
    "new": RanOn(kernel="6.1.0-56-cloud-amd64", era=Era.RESOLVE, replica=True, title="n", system="Debian GNU/Linux 12"),
    "today": RanOn(kernel="6.1.0-56-cloud-amd64", era=Era.RELOOKUP, replica=False, title="t"),
}

BARE = ("client.json", "client.status", "dmesg", "verdict.jsonl", "stat.before", "stat.after", "resolv.conf")
"""What a trial leaves without evidence."""

HOSTILE = "<img src=x onerror=alert(1)>"

ALL = (
    "old-baseline",
    "old-nfqueue",
    "new-nfqueue",
    "today-nfqueue",
    "old-nfqueue-c-ares",
    "old-nfqueue-cache",
    "old-nfqueue-dnat",
    "new-nfqueue-dnat",
    "today-nfqueue-dnat",
    "old-nfqueue-held-0ms",
    "old-nfqueue-musl",
    "old-nfqueue-use-vc",
    "old-threads",
)

Change = Callable[[str, bytes], bytes]


@dataclass(frozen=True)
class Stored:
    """A lab with stored runs.

    Attributes:
        home: Its directory.
        store: Its runs.
    """

    home: Path
    store: RunStore

    def run(
        self, names: tuple[str, ...], *, bare: bool = True, evidence: bool = True, change: Change = lambda _, raw: raw
    ) -> Run:
        """Store a run of recorded trials, each as it is without evidence, and as it is with it.

        Args:
            names: The trials, as they are called in tests/evidence/replicas.
            bare: Whether each is there without evidence.
            evidence: Whether each is there with it.
            change: Changes a raw file, given its name.
        """
        cells = [(name.split("-", 1)[0], name.split("-", 1)[1], name) for name in names]
        scenarios = find.scenarios(SCENARIOS, [scenario for _, scenario, _ in cells])
        machines = {name: MACHINES[name] for name in dict.fromkeys(machine for machine, _, _ in cells)}
        run = self.store.begin(machines, scenarios, 1)
        for machine, scenario, name in cells:
            raw = {path.name: change(path.name, path.read_bytes()) for path in (RECORDED / name).iterdir()}
            if bare:
                self.store.add_trial(run, machine, scenario, 1, {file: raw[file] for file in BARE if file in raw})
            if evidence:
                self.store.add_trial(run, machine, scenario, 2, raw)
        return self.store.finish(run)

    def sweep(self) -> Run:
        """Store a sweep of two settings: with the shorter one no trial was armed, with the longer one every other."""
        (base,) = find.scenarios(SCENARIOS, ["nfqueue"])
        settings: list[Scenario] = [dial.scenario(base, hold_s) for hold_s in (0.0, 0.005)]
        run = self.store.begin({"old": MACHINES["old"]}, settings, 2)
        recorded = (("old-nfqueue-held-0ms", "old-nfqueue-held-0ms"), ("old-nfqueue-held-0ms", "old-nfqueue"))
        for setting, names in zip(settings, recorded, strict=True):
            for number, name in enumerate(names, 1):
                raw = {file: (RECORDED / name / file).read_bytes() for file in BARE}
                self.store.add_trial(run, "old", setting.name, number, raw)
        return self.store.finish(run)


def at(home: Path) -> Stored:
    """Give a lab in a directory, with no run yet."""
    return Stored(home, RunStore(home / "runs"))


def hostile(name: str, raw: bytes) -> bytes:
    """Put markup where a machine that is not to be trusted could put some: a task has any name it likes."""
    return raw.replace(b"user.out-", b"<b onclick=1>-") if name == "trace" else raw
