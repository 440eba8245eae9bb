"""Products that scenarios bring along, on real guests: OpenSnitch from Debian's package, and programs written here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.catalogue import find
from lab.catalogue.timeouts import MUSL_RETRY_S
from lab.foundation.home import SCENARIOS
from tests.guest.conftest import TestLab
from tests.selection import ALL

FILES = "find / -xdev -not -path '/opt/lab/*' -not -path '/var/lib/dhcp*' | sort | md5sum"
"""Shell command that prints a digest of the names of all files on the disk."""

STATE = (
    f"{FILES}; ls /tmp; ip netns exec lab-lane0 nft list ruleset; dpkg -l | md5sum; grep -o '^[a-z_]*nat' /proc/modules"
)
"""... and what else a product could leave behind."""

DYING = """
python3 ./own-agent.py 5 5 &
packets=0
while [ "$packets" -lt 4 ]; do
	sleep 0.1
	read -r _ _ _ _ _ _ _ packets _ </proc/net/netfilter/nfnetlink_queue || packets=0
done
kill $!
exit 9
"""
"""Shell lines that start a product, and end it after four packets. The eighth column of the list counts them."""

BROKEN = """title = "A product that does not start"
shows = "Nothing is queued, and the lookups are quick."
arms = true

[[step]]
do = "agent"
product = "Broken"
start = "{start}"
ready = {{ queue = 0, timeout_s = 2 }}

[expected]
drop = "healthy"
"""


@pytest.fixture(scope="module")
def two(shared: TestLab) -> Iterator[TestLab]:
    """Return a lab with old and new up."""
    shared.well("up", "old", "new")
    yield shared
    for machine in ("old", "new"):
        assert shared.run("ssh", machine, "--", "[ ! -e /var/lib/lab-agent ]").status == 0


def cells(lab: TestLab, *arguments: str, status: int = 0) -> dict[str, Any]:
    """Run trials, and return the cells by machine and scenario."""
    done = lab.run("run", *arguments, "--json")
    assert done.status == status, f"{done.err}\n{done.out}"
    return {f"{cell['machine']}/{cell['scenario']}": cell for cell in done.json["cells"]}


def test_opensnitch_stalls_the_old_kernel_and_not_the_new_one(two: TestLab) -> None:
    """It is armed without a hold, is lost at confirm, and leaves no trace in the machine."""
    # Any first trial leaves the lane's resolv.conf, which the next one replaces.
    two.well("run", "old", "-s", "baseline", "-n", "1")
    before = two.ask("old", STATE + " || true")

    made = cells(two, "old", "new", "-s", "opensnitch", "-n", "2")

    assert {name: (cell["verdict"], cell["armed"]) for name, cell in made.items()} == {
        "old/opensnitch": ("stalled", 2),
        "new/opensnitch": ("healthy", 2),
    }
    shown = two.well("show", "old/opensnitch/1", "--json").json
    assert "armed without a hold: OpenSnitch took" in shown["reason"]
    assert [line["lost_at"] for line in shown["lifelines"]].count("confirm returned") == 1
    assert "starting opensnitch-daemon" in two.well("show", "old/opensnitch/1", "--raw", "agent.log").out.lower()
    assert two.ask("old", STATE + " || true") == before


def test_a_program_of_ones_own_queues_by_its_own_rules(two: TestLab, tmp_path: Path) -> None:
    """With its rule before conntrack instead of after it, the race is not armed."""
    own = Path("scenarios/products")
    text = (own / "own-agent.toml").read_text().replace("*mangle", "*raw").replace("arms = true\n", "")
    (tmp_path / "before-conntrack.toml").write_text(text.replace('drop = "stalled"', 'drop = "healthy"'))
    (tmp_path / "own-agent.py").write_bytes((own / "own-agent.py").read_bytes())

    made = cells(two, "old", "-s", "own-agent", "-s", str(tmp_path / "before-conntrack.toml"), "-n", "2")

    assert {name: cell["verdict"] for name, cell in made.items()} == {
        "old/own-agent": "stalled",
        "old/before-conntrack": "healthy",
    }
    shown = two.well("show", "old/before-conntrack/1", "--json").json
    assert "not armed: own-agent.py queued the queries before conntrack made an entry for them" in shown["reason"]


@pytest.mark.parametrize(
    ("start", "says"),
    [
        (
            "echo one; printf '\\\\033[31mno queue\\\\n'; exit 7",
            "it ended with exit status 7; its last lines: one | no queue",
        ),
        ("exec sleep 600", "nothing listens to queue 0 after 2 s; it printed nothing"),
    ],
)
def test_a_product_that_does_not_start_is_never_healthy(two: TestLab, tmp_path: Path, start: str, says: str) -> None:
    """The lookups are quick, since nothing is queued; the exit status is 1, and its last lines are shown."""
    path = tmp_path / "broken.toml"
    path.write_text(BROKEN.format(start=start))

    done = two.run("run", "old", "-s", str(path), "-n", "1")

    assert done.status == 1
    assert "not started" in done.out
    assert "\x1b" not in done.out + done.err
    assert f"Broken did not start: {says}" in " ".join(done.err.split())


def test_a_product_that_ends_while_trials_run_is_reported(two: TestLab, tmp_path: Path) -> None:
    """It ends after four packets, two trials; its rule lets the third trial's queries pass, and that is not healthy."""
    own = Path("scenarios/products")
    text = (own / "own-agent.toml").read_text().replace("--queue-num 5", "--queue-num 5 --queue-bypass")
    (tmp_path / "dying.toml").write_text(text.replace('"exec python3 ./own-agent.py 5 5"', f'"""{DYING}"""'))
    (tmp_path / "own-agent.py").write_bytes((own / "own-agent.py").read_bytes())

    made = cells(two, "new", "-s", str(tmp_path / "dying.toml"), "-n", "4", status=1)

    assert made["new/dying"]["unjudged"]["failed"] >= 2
    shown = two.well("show", "new/dying/4", "--json").json
    assert "own-agent.py ended with exit status 9 while trials ran" in shown["reason"]


def test_workarounds_of_a_product(two: TestLab) -> None:
    """A resolver option helps; NOTRACK helps, as the product no longer sees DNS; it chooses where it queues."""
    chosen = ("-w", "single-request-reopen", "-w", "notrack", "-w", "raw")
    tried = two.well("workarounds", "old", "-s", "opensnitch", "-n", "2", *chosen, "--json").json

    assert [(row["workaround"], row["help"]) for row in tried["rows"]] == [
        ("single-request-reopen", "helps"),
        ("notrack", "helps"),
        ("raw", "does not apply"),
    ]
    assert tried["without"][0]["stalled"] == 2


def test_workarounds_of_a_client_that_knows_no_option(two: TestLab) -> None:
    """Rules help musl's resolver; the options of glibc's are none of its."""
    chosen = ("-w", "raw", "-w", "single-request")
    tried = two.well("workarounds", "old", "-s", "nfqueue-musl", "-n", "3", *chosen, "--json").json

    rows = {row["workaround"]: row for row in tried["rows"]}
    assert (rows["raw"]["help"], rows["single-request"]["help"]) == ("helps", "not by this client")
    assert abs(rows["raw"]["cost_s"]) < MUSL_RETRY_S  # no retry, and it is known
    assert "not by this client" in two.well("workarounds", "--run", tried["run"]).out


BROUGHT = {"forwarder-nscd": "stalled", "nfqueue-netgo": "healthy"}
"""Scenarios of a small package each, and their outcomes on old."""


def test_forwarders_and_clients_come_as_packages(two: TestLab) -> None:
    """A forwarder that calls glibc stalls in its client's place; Go's resolver does not; nothing is left of either."""
    two.well("run", "old", "-s", "baseline", "-n", "1")
    before = two.ask("old", STATE + " || true; ls /run")
    wanted = list(find.products(SCENARIOS)) if os.environ.get(ALL) else find.scenarios(SCENARIOS, BROUGHT)
    named = [word for scenario in wanted if not scenario.agent for word in ("-s", scenario.name)]

    made = cells(two, "old", "new", *named, "-n", "1")

    assert {name: made[f"old/{name}"]["verdict"] for name in BROUGHT} == BROUGHT
    assert {made[f"new/{name}"]["verdict"] for name in BROUGHT} == {"healthy"}
    assert two.ask("old", STATE + " || true; ls /run") == before


def test_an_unknown_package_ends_with_status_3(two: TestLab, tmp_path: Path) -> None:
    """The message has apt's words; nothing is left in the machine."""
    path = tmp_path / "unknown.toml"
    path.write_text(BROKEN.format(start="true").replace("start =", 'packages = ["no-such-agent"]\nstart ='))

    done = two.run("run", "old", "-s", str(path), "-n", "1")

    assert done.status == 3
    assert "Unable to locate package no-such-agent" in done.err


def test_a_file_that_the_machine_has_is_not_overwritten(two: TestLab, tmp_path: Path) -> None:
    """The product is refused, and the machine's file is untouched."""
    (tmp_path / "hosts").write_text("mine")
    path = tmp_path / "file.toml"
    text = BROKEN.format(start="true").replace("start =", 'files = [{ source = "hosts", to = "/etc/hosts" }]\nstart =')
    path.write_text(text)
    before = two.ask("old", "cat /etc/hosts")

    done = two.run("run", "old", "-s", str(path), "-n", "1")

    assert done.status == 3
    assert "the file /etc/hosts that the scenario brings along is in this machine already" in done.err
    assert two.ask("old", "cat /etc/hosts") == before
