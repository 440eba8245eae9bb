"""`lab check` over SSH: guests are checked like any machine with a login."""

from __future__ import annotations

import json
import random
import signal
import time
from dataclasses import dataclass, replace

import pytest

from tests.guest.conftest import Done, TestLab, wait_for

LEFT = (
    "cut -d' ' -f1 /proc/modules | sort; ls -d /run/five* /tmp/five* /var/tmp/five* 2>/dev/null; ip netns list | sort"
)
"""Shell command that lists named leftovers of a check."""

STATE = (
    f"{LEFT}; nft list ruleset; iptables-save | grep -v '^#'; ip -o addr | sed 's/valid_lft.*//'; "
    "sysctl -a 2>/dev/null | grep ^net | grep -v nf_conntrack_count"
)
"""Shell command that lists state which a check must not change."""

PROCESSES = "cat /proc/[0-9]*/comm | grep -cx check; true"

KILL_ALL = "until grep -q ^nft_queue /proc/modules; do :; done; while pkill -KILL -x check; do :; done"
"""Wait until the last module is loaded, then kill every process of the check, its keeper included."""

KILLS = 4


@dataclass(frozen=True)
class Host:
    """A guest as a user with an account on it sees it."""

    lab: TestLab
    name: str
    user: str = "root"

    @property
    def port(self) -> int:
        """Return the port of its SSH server."""
        started = json.loads((self.lab.home / "machines" / self.name / "started.json").read_text())
        return int(started["port"])

    @property
    def arguments(self) -> tuple[str, ...]:
        """Return the command line arguments."""
        return ("check", f"{self.user}@127.0.0.1:{self.port}", "-i", str(self.lab.home / "keys" / "login"))

    def visitor(self, host_key: str | None) -> TestLab:
        """Return a user with a separate lab who knows this host key, or none."""
        home = self.lab.home / "visitor"
        (home / ".ssh").mkdir(parents=True, exist_ok=True)
        known = f"[127.0.0.1]:{self.port} {host_key}\n" if host_key else ""
        (home / ".ssh" / "known_hosts").write_text(known)
        return TestLab(home / "lab", {"HOME": str(home)})

    @property
    def host_key(self) -> str:
        """Return its host key."""
        line = (self.lab.home / "machines" / self.name / "host_key.pub").read_text()
        return " ".join(line.split()[:2])

    def check(self, *more: str) -> Done:
        """Check it as a user who knows its host key."""
        return self.visitor(self.host_key).run(*self.arguments, "--yes", *more)

    def ask(self, line: str) -> str:
        """Return the output of a shell line on it."""
        return self.lab.ask(self.name, line)


@pytest.mark.parametrize(
    ("machine", "era", "status", "stalls_behind_dnat"),
    [("old", "drop", 1, True), ("new", "resolve", 1, True), ("today", "relookup", 0, False)],
)
def test_a_guest_gets_its_era_and_is_left_unchanged(
    running: TestLab, machine: str, era: str, status: int, *, stalls_behind_dnat: bool
) -> None:
    """The packets alone decide, without a trace; rules, namespaces, settings and modules are unchanged.

    Behind DNAT to two servers `new` stalls, as 3.10.0-1127 does, although it resolves a plain clash.
    """
    host = Host(running, machine)
    before = host.ask(STATE)
    result = host.check("--json")
    document = result.json

    assert result.status == status, result.err
    assert (document["era"], document["sure"]) == (era, "seen on the packet")
    assert {trial["era"] for trial in document["trials"] if trial["armed"]} == {era}
    assert document["replica"] == (machine != "today")
    assert ("a replica" in document["sentence"]) == document["replica"]
    assert f"(era {era})" in document["sentence"]
    assert document["behind_dnat"]["armed"] > 0
    assert bool(document["behind_dnat"]["stalled"]) == stalls_behind_dnat
    assert document["behind_dnat"]["stalled"] in {0, document["behind_dnat"]["armed"]}
    assert host.ask(STATE) == before


def test_a_killed_check_leaves_nothing_on_the_remote_machine(running: TestLab) -> None:
    """The remote program ends with its connection and unloads the modules it loaded."""
    host = Host(running, "old")
    before = host.ask(LEFT)
    began_s = time.monotonic()
    host.check()
    whole_s = time.monotonic() - began_s
    for _ in range(KILLS):
        moment_s = random.uniform(0.2, 0.9) * whole_s  # noqa: S311  nothing secret
        process = host.visitor(host.host_key).start(*host.arguments, "--yes")
        time.sleep(moment_s)
        process.send_signal(signal.SIGKILL)
        process.communicate()

        wait_for(lambda: is_as_before(host, before))


def is_as_before(host: Host, before: str) -> bool:
    """Return whether a killed check is gone; a busy guest may reject the connection that asks."""
    try:
        return host.ask(PROCESSES).strip() == "0" and host.ask(LEFT) == before
    except AssertionError:
        return False


def test_two_checks_at_once_leave_nothing_behind(running: TestLab) -> None:
    """Each finds modules that the other has loaded, and will unload."""
    host = Host(running, "today")
    before = host.ask(LEFT)
    visitor = host.visitor(host.host_key)
    other = TestLab(visitor.home.parent / "other", visitor.environment)
    checks = [lab.start(*host.arguments, "--yes") for lab in (visitor, other)]
    outputs = [check.communicate() for check in checks]

    assert [check.returncode for check in checks] == [0, 0], outputs
    assert host.ask(LEFT) == before


def test_leftovers_of_a_check_killed_with_its_keeper_are_removed_by_the_next(fresh: TestLab) -> None:
    """Even then no module stays for ever, because the list of loaded modules is found."""
    fresh.well("up", "today")
    host = Host(fresh, "today")
    before = host.ask(LEFT)
    host.ask(f"sh -c '{KILL_ALL}' >/dev/null 2>&1 </dev/null &")
    killed = host.check()
    assert killed.status == 3, killed.err
    assert host.ask(LEFT) != before

    again = host.check()

    assert again.status == 0, again.err
    assert host.ask(LEFT) == before
    _refusals(fresh, host)


def _refusals(lab: TestLab, host: Host) -> None:
    """Check that each refusal is one clear error. All use one machine, because a boot takes a minute."""
    refusal = host.visitor(None).run(*host.arguments)
    assert refusal.status == 3
    assert "not found in known_hosts" in refusal.err
    assert "ssh -p" in refusal.err

    other = (lab.home / "keys" / "login.pub").read_text()
    refusal = host.visitor(" ".join(other.split()[:2])).run(*host.arguments)
    assert refusal.status == 3
    assert "does not match" in refusal.err

    refusal = host.visitor(host.host_key).run(*host.arguments)
    assert refusal.status == 2
    assert "nft_queue" in refusal.err
    assert "--yes" in refusal.err

    # Neither nft nor iptables is needed: rules are added through netlink and setsockopt.
    lab.ask("today", "mkdir /root/bin && mv /usr/sbin/*tables* /usr/sbin/nft /root/bin/")
    lab.ask("today", "echo 'install nft_queue /bin/false' >/etc/modprobe.d/test.conf")
    result = host.check("--json")
    assert result.json["plan"]["rule"] == "iptables"
    assert result.json["era"] == "relookup"
    assert result.json["behind_dnat"]["armed"] > 0

    lab.ask("today", "echo 'install nf_nat /bin/false' >>/etc/modprobe.d/test.conf")
    result = host.check("--json")
    assert result.json["era"] == "relookup"
    assert "nf_nat (address translation)" in result.json["behind_dnat"]["why_not"]
    assert "it was not tried" in result.json["sentence"]

    lab.ask("today", "echo 'install xt_NFQUEUE /bin/false' >>/etc/modprobe.d/test.conf")
    refusal = host.check()
    assert refusal.status == 3
    assert "nft_queue" in refusal.err
    assert "xt_NFQUEUE" in refusal.err

    user = "plain:x:1000:1000::/home/plain:/bin/sh"
    lab.ask("today", f"echo {user} >>/etc/passwd && echo 'plain:*:19000::::::' >>/etc/shadow && mkdir -p /home/plain")
    lab.ask("today", "cp -r /root/.ssh /home/plain/ && chown -R 1000:1000 /home/plain")
    refusal = replace(host, user="plain").check()
    assert refusal.status == 3
    assert "need root" in refusal.err

    uname = '#!/bin/sh\\n[ "$1" != -m ] || { echo riscv64; exit; }\\nexec /bin/uname "$@"\\n'
    lab.ask("today", f"printf '{uname}' >/usr/local/bin/uname && chmod +x /usr/local/bin/uname")
    refusal = host.check()
    assert refusal.status == 3
    assert "architecture riscv64" in refusal.err
