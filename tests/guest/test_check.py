"""`lab check` over SSH: the guests are machines that one can log in to, and are checked as any other."""

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
"""What a check could leave behind, as far as it has a name."""

STATE = (
    f"{LEFT}; nft list ruleset; iptables-save | grep -v '^#'; ip -o addr | sed 's/valid_lft.*//'; "
    "sysctl -a 2>/dev/null | grep ^net | grep -v nf_conntrack_count"
)
"""What a check must leave as it is."""

PROCESSES = "cat /proc/[0-9]*/comm | grep -cx check; true"

KILL_ALL = (
    "until grep -q ^nft_queue /proc/modules; do :; done; "
    "while grep -lx check /proc/[0-9]*/comm; do "
    "for comm in $(grep -lx check /proc/[0-9]*/comm); do kill -9 $(echo $comm | cut -d/ -f3); done; done"
)
"""Waits until the last module is loaded, and then ends whatever there is of the check: its keeper, too."""

KILLS = 4


@dataclass(frozen=True)
class Host:
    """A guest, as somebody who has an account on it sees it."""

    lab: TestLab
    name: str
    user: str = "root"

    @property
    def port(self) -> int:
        """Where its SSH server listens."""
        started = json.loads((self.lab.home / "machines" / self.name / "started.json").read_text())
        return int(started["port"])

    @property
    def arguments(self) -> tuple[str, ...]:
        """What one types."""
        return ("check", f"{self.user}@127.0.0.1:{self.port}", "-i", str(self.lab.home / "keys" / "login"))

    def visitor(self, host_key: str | None) -> TestLab:
        """Give somebody who knows this key as the host's, or none, and has a lab of his own."""
        home = self.lab.home / "visitor"
        (home / ".ssh").mkdir(parents=True, exist_ok=True)
        known = f"[127.0.0.1]:{self.port} {host_key}\n" if host_key else ""
        (home / ".ssh" / "known_hosts").write_text(known)
        return TestLab(home / "lab", {"HOME": str(home)})

    @property
    def host_key(self) -> str:
        """Its key."""
        line = (self.lab.home / "machines" / self.name / "host_key.pub").read_text()
        return " ".join(line.split()[:2])

    def check(self, *more: str) -> Done:
        """Check it, as somebody who knows it."""
        return self.visitor(self.host_key).run(*self.arguments, "--yes", *more)

    def ask(self, line: str) -> str:
        """Give what a shell line prints there."""
        return self.lab.ask(self.name, line)


@pytest.mark.parametrize(
    ("machine", "era", "status"), [("old", "drop", 1), ("new", "resolve", 0), ("today", "relookup", 0)]
)
def test_a_guest_is_of_its_era_and_as_it_was(running: TestLab, machine: str, era: str, status: int) -> None:
    """By the packet itself, without a trace; rules, namespaces, settings and modules there stay as they are."""
    host = Host(running, machine)
    before = host.ask(STATE)
    done = host.check("--json")
    found = done.json

    assert done.status == status, done.err
    assert (found["era"], found["sure"]) == (era, "seen on the packet")
    assert {trial["era"] for trial in found["trials"] if trial["armed"]} == {era}
    assert found["replica"] == (machine != "today")
    assert ("a replica" in found["sentence"]) == found["replica"]
    assert f"(era {era})" in found["sentence"]
    assert host.ask(STATE) == before


def test_a_check_that_is_killed_leaves_nothing_on_the_other_machine(running: TestLab) -> None:
    """The program there ends when its connection does, and unloads what it loaded."""
    host = Host(running, "old")
    before = host.ask(LEFT)
    began_s = time.monotonic()
    host.check()
    whole_s = time.monotonic() - began_s
    for _ in range(KILLS):
        moment_s = random.uniform(0.2, 0.9) * whole_s  # noqa: S311  nothing secret
        checked = host.visitor(host.host_key).start(*host.arguments, "--yes")
        time.sleep(moment_s)
        checked.send_signal(signal.SIGKILL)
        checked.communicate()

        wait_for(lambda: host.ask(PROCESSES).strip() == "0" and host.ask(LEFT) == before)


def test_what_a_check_left_that_was_killed_with_its_keeper_is_put_back_by_the_next(fresh: TestLab) -> None:
    """Not even both at once leave a module behind for ever: the note that they keep is found."""
    fresh.well("up", "today")
    host = Host(fresh, "today")
    before = host.ask(LEFT)
    host.ask(f"sh -c '{KILL_ALL}' >/dev/null 2>&1 </dev/null &")
    killed = host.check()
    assert killed.status == 3, killed.err
    assert host.ask(LEFT) != before

    host.check()

    assert host.ask(LEFT) == before
    _refusals(fresh, host)


def _refusals(lab: TestLab, host: Host) -> None:
    """Each is one clear error; the machine is the same one, which takes a minute to boot."""
    refused = host.visitor(None).run(*host.arguments)
    assert refused.status == 3
    assert "not found in known_hosts" in refused.err
    assert "ssh -p" in refused.err

    other = (lab.home / "keys" / "login.pub").read_text()
    refused = host.visitor(" ".join(other.split()[:2])).run(*host.arguments)
    assert refused.status == 3
    assert "does not match" in refused.err

    refused = host.visitor(host.host_key).run(*host.arguments)
    assert refused.status == 2
    assert "nft_queue" in refused.err
    assert "--yes" in refused.err

    # Neither nft nor iptables is needed: the rules are made by the kernel's own interfaces.
    lab.ask("today", "mkdir /root/bin && mv /usr/sbin/*tables* /usr/sbin/nft /root/bin/")
    lab.ask("today", "echo 'install nft_queue /bin/false' >/etc/modprobe.d/test.conf")
    done = host.check("--json")
    assert done.json["plan"]["rule"] == "iptables"
    assert done.json["era"] == "relookup"

    lab.ask("today", "echo 'install xt_NFQUEUE /bin/false' >>/etc/modprobe.d/test.conf")
    refused = host.check()
    assert refused.status == 3
    assert "nft_queue" in refused.err
    assert "xt_NFQUEUE" in refused.err

    user = "plain:x:1000:1000::/home/plain:/bin/sh"
    lab.ask("today", f"echo {user} >>/etc/passwd && echo 'plain:*:19000::::::' >>/etc/shadow && mkdir -p /home/plain")
    lab.ask("today", "cp -r /root/.ssh /home/plain/ && chown -R 1000:1000 /home/plain")
    refused = replace(host, user="plain").check()
    assert refused.status == 3
    assert "need root" in refused.err

    uname = '#!/bin/sh\\n[ "$1" != -m ] || { echo riscv64; exit; }\\nexec /bin/uname "$@"\\n'
    lab.ask("today", f"printf '{uname}' >/usr/local/bin/uname && chmod +x /usr/local/bin/uname")
    refused = host.check()
    assert refused.status == 3
    assert "architecture riscv64" in refused.err
