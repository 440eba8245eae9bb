"""Stored runs made of recorded trials, for tests without guests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.catalogue import find, workaround
from lab.catalogue.era import Era
from lab.catalogue.machine import System
from lab.catalogue.scenario import Scenario
from lab.commands.workarounds import plan
from lab.comparison import sweep
from lab.foundation.home import SCENARIOS
from lab.runs.run import RanOn, Run
from lab.runs.store import RunStore

RECORDED = Path(__file__).parent / "evidence" / "replicas"

MACHINES = {
    "old": RanOn(
        kernel="6.1.0-56-cloud-amd64",
        era=Era.DROP,
        system=System.REPLICA,
        title="o",
        distribution="Debian GNU/Linux 12",
    ),
    "new": RanOn(
        kernel="6.1.0-56-cloud-amd64",
        era=Era.RESOLVE,
        system=System.REPLICA,
        title="n",
        distribution="Debian GNU/Linux 12",
    ),
    "today": RanOn(kernel="6.1.0-56-cloud-amd64", era=Era.RELOOKUP, system=System.DEBIAN, title="t"),
}

BARE = ("client.json", "client.status", "dmesg", "verdict.jsonl", "stat.before", "stat.after", "resolv.conf")
"""Files of a trial without evidence."""

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

PRODUCTS = ("old-opensnitch", "new-opensnitch", "today-opensnitch-not-started")
"""Trials in tests/evidence/products, in the order of the machines."""

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
        self,
        names: tuple[str, ...],
        *,
        bare: bool = True,
        evidence: bool = True,
        change: Change = lambda _, raw: raw,
        as_if: Mapping[str, RanOn] = MACHINES,
    ) -> Run:
        """Store a run of recorded trials, each without and with evidence.

        Args:
            names: Names of trials in tests/evidence/replicas.
            bare: Whether to store each trial without evidence.
            evidence: Whether to store each trial with evidence.
            change: Function that changes a raw file, given its name.
            as_if: System under which the machines are stored.
        """
        cells = [(name.split("-", 1)[0], name.split("-", 1)[1], name) for name in names]
        scenarios = find.scenarios(SCENARIOS, [scenario for _, scenario, _ in cells])
        machines = {name: as_if[name] for name in dict.fromkeys(machine for machine, _, _ in cells)}
        run = self.store.begin(machines, scenarios, 1)
        for machine, scenario, name in cells:
            raw = {path.name: change(path.name, path.read_bytes()) for path in (RECORDED / name).iterdir()}
            if bare:
                self.store.add_trial(run, machine, scenario, 1, {file: raw[file] for file in BARE if file in raw})
            if evidence:
                self.store.add_trial(run, machine, scenario, 2, raw)
        return self.store.finish(run)

    def sweep(self) -> Run:
        """Store a sweep of two settings: at the shorter one no trial was armed, at the longer one every other."""
        (base,) = find.scenarios(SCENARIOS, ["nfqueue"])
        settings: list[Scenario] = [sweep.scenario(base, hold_s) for hold_s in (0.0, 0.005)]
        run = self.store.begin({"old": MACHINES["old"]}, settings, 2)
        recorded = (("old-nfqueue-held-0ms", "old-nfqueue-held-0ms"), ("old-nfqueue-held-0ms", "old-nfqueue"))
        for setting, names in zip(settings, recorded, strict=True):
            for number, name in enumerate(names, 1):
                raw = {file: (RECORDED / name / file).read_bytes() for file in BARE}
                self.store.add_trial(run, "old", setting.name, number, raw)
        return self.store.finish(run)

    def products(self) -> Run:
        """Store a run of OpenSnitch: it stalls old, and not new; on today it did not start."""
        scenarios = find.scenarios(SCENARIOS, ["opensnitch"])
        run = self.store.begin(MACHINES, scenarios, 1)
        for machine, name in zip(MACHINES, PRODUCTS, strict=True):
            raw = {path.name: path.read_bytes() for path in (RECORDED.parent / "products" / name).iterdir()}
            self.store.add_trial(run, machine, "opensnitch", 1, raw)
        return self.store.finish(run)

    def workarounds(self) -> Run:
        """Store a run of one workaround: the scenario stalls, with a cache it does not."""
        (base,) = find.scenarios(SCENARIOS, ["nfqueue"])
        scenarios = plan(base, workaround.workarounds(SCENARIOS, ("cache",)))
        run = self.store.begin({"old": MACHINES["old"]}, scenarios, 1)
        recorded = ("old-baseline", "old-nfqueue", "old-nfqueue-cache", "old-nfqueue-cache")
        for scenario, name in zip(scenarios, recorded, strict=True):
            raw = {file: (RECORDED / name / file).read_bytes() for file in BARE if (RECORDED / name / file).exists()}
            self.store.add_trial(run, "old", scenario.name, 1, raw)
        return self.store.finish(run)


def at(home: Path) -> Stored:
    """Return a lab in a directory, without runs."""
    return Stored(home, RunStore(home / "runs"))


def hostile(name: str, raw: bytes) -> bytes:
    """Put markup into fields that an untrusted machine controls, such as task names."""
    return raw.replace(b"user.out-", b"<b onclick=1>-") if name == "trace" else raw
