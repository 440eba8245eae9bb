"""Netfilter rules on kernels that support only a part of what their programs request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.guest.conftest import TestLab
from tests.guest.test_kernels import debs, fetch, needed_by, unpack

__all__ = ["debs"]

SCENARIO = "/opt/lab/guest/scenario.sh"
NETWORK = "/opt/lab/guest/network.sh"
QUEUE = "/opt/lab/guest/queue.sh"

LEFT = "ip netns exec lab-lane0 sh -c 'nft list ruleset; iptables-legacy-save | grep ^-A || true'"
"""Shell command that prints a lane's rules."""


@pytest.fixture(scope="module")
def halfway(shared: TestLab, debs: Path, tmp_path_factory: pytest.TempPathFactory) -> TestLab:
    """Return a guest whose kernel has nf_tables without the parts iptables needs: rules need legacy iptables."""
    scratch = tmp_path_factory.mktemp("halfway")
    (package,) = fetch(debs, needed_by("linux-image-cloud-amd64", "linux-image-6.1"))
    files = unpack(package, scratch / "files")
    next(files.rglob("nft_compat.ko")).unlink()
    shared.well("kernel", "add", str(files), "--name", "halfway")
    shared.well("up", "halfway")
    return shared


@contextmanager
def standing_in(lab: TestLab, machine: str, program: str, script: str) -> Iterator[None]:
    """Replace a program by a script, which can call the original as "$real"."""
    path = f"/usr/local/sbin/{program}"
    lab.ask(machine, f"printf '%s\n' '#!/bin/sh' 'real=/usr/sbin/{program}' '{script}' >{path} && chmod +x {path}")
    try:
        yield
    finally:
        lab.ask(machine, f"rm {path}")


def test_the_iptables_variant_that_can_set_rules_is_chosen(halfway: TestLab) -> None:
    """Listing a table succeeds with nf_tables, but setting a rule does not."""
    assert halfway.run("ssh", "halfway", "--", "iptables-nft -t raw -S").status == 0
    assert "legacy" in halfway.ask("halfway", "iptables --version")

    result = halfway.well("run", "halfway", "-s", "nfqueue-iptables", "-s", "nfqueue-notrack", "-n", "8", "--json").json

    assert {cell["scenario"]: cell["verdict"] for cell in result["cells"]} == {
        "nfqueue-iptables": "healthy",
        "nfqueue-notrack": "healthy",
    }
    assert result["left_out"] == []
    assert halfway.ask("halfway", LEFT) == ""


def test_the_iptables_lock_is_waited_for(halfway: TestLab) -> None:
    """All lanes share it; a failure would look like a kernel that cannot set the rule."""
    hold = "flock /run/xtables.lock sleep 3 & sleep 0.5"

    began = halfway.run("ssh", "halfway", "--", f"{hold}; {SCENARIO} begin 4 queue=iptables")
    rules = halfway.ask("halfway", LEFT)
    halfway.ask("halfway", f"flock /run/xtables.lock sleep 3 & sleep 0.5; {SCENARIO} end")

    assert (began.status, began.err) == (0, "")
    assert rules.count("NFQUEUE") == 1
    assert halfway.ask("halfway", LEFT) == ""


def test_a_kernel_that_cannot_flush_its_ruleset_is_cleaned_table_by_table(halfway: TestLab) -> None:
    """Linux 3.10 refuses a flush after good trials, which still count; the fallback is reported."""
    refuse = 'case "$*" in *"flush ruleset"*) echo "Error: Invalid argument" >&2; exit 1 ;; *) exec $real "$@" ;; esac'

    with standing_in(halfway, "halfway", "nft", refuse):
        result = halfway.run("run", "halfway", "-s", "nfqueue-nftables", "-n", "8", "--json")
        leftovers = halfway.ask("halfway", LEFT)

    assert result.status == 0, result.err
    (cell,) = result.json["cells"]
    assert (cell["trials"], cell["verdict"]) == (8, "healthy")
    assert result.err.count("rules are removed table by table: this kernel does not support") == 1
    assert leftovers == ""


def test_rules_that_cannot_be_removed_are_named(halfway: TestLab) -> None:
    """A lane with old rules would give results of another scenario."""
    refuse = 'case "$*" in *flush*|*delete*) echo "Error: no" >&2; exit 1 ;; *) exec $real "$@" ;; esac'

    with standing_in(halfway, "halfway", "nft", refuse):
        halfway.ask("halfway", f"{SCENARIO} begin 1 queue=nftables")
        ended = halfway.run("ssh", "halfway", "--", f"{SCENARIO} end")
    halfway.ask("halfway", f"{SCENARIO} end")

    assert ended.status == 1
    assert "netfilter rules are left, such as 'table ip lab {': Error: no" in ended.err
    assert halfway.ask("halfway", LEFT) == ""


def test_nftables_is_detected_where_it_sets_the_rule(halfway: TestLab) -> None:
    """Linux 4.4 does not delete a table in the transaction that created it."""
    refuse = 'rules=$(cat); case $rules in *delete*) exit 1 ;; *) echo "$rules" | $real "$@" ;; esac'
    before = halfway.ask("halfway", "ip netns list; nft list ruleset; iptables-legacy-save")

    with standing_in(halfway, "halfway", "nft", refuse):
        # The image has the module for a kernel of this name.
        program = halfway.ask("halfway", f"cd /opt/lab/build && mv $(uname -r) away && {QUEUE}; mv away $(uname -r)")

    assert program.splitlines()[0] == "nftables"
    assert halfway.ask("halfway", "ip netns list; nft list ruleset; iptables-legacy-save") == before
