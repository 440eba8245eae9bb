"""What `lab check` reads from a machine before it does anything, and what it would do then."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.endpoint.endpoint import Account, account
from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.remote_check import look, plan, trials
from lab.remote_check.look import Look, PartState
from lab.remote_check.program import HostProgram

LOOKS = Path(__file__).parents[1] / "looks"
BOOTED = frozenset({"virtio", "virtio_net", "crc32c_intel", "libcrc32c"})
"""Modules loaded by Debian's cloud kernel before conntrack is used."""

FOR_NFTABLES = ("nf_defrag_ipv4", "nf_defrag_ipv6", "nf_conntrack", "nfnetlink", "nfnetlink_queue")


def debian() -> Look:
    """Return a recorded Debian 12 machine with conntrack and related modules loaded."""
    return look.parse((LOOKS / "debian-12-cloud.txt").read_text())


def without(observation: Look, *modules: str) -> Look:
    """Return a machine on which modprobe does not find these modules."""
    depends = {name: lines if name not in modules else () for name, lines in observation.depends.items()}
    return replace(observation, loaded=observation.loaded - set(modules), depends=depends)


def test_the_rule_that_needs_fewest_modules_is_chosen() -> None:
    """Two modules are missing for nf_tables, three for ip_tables."""
    proposal = plan.of(debian())

    assert (proposal.rule, proposal.load, proposal.sudo) == ("nftables", ("nft_ct", "nft_queue"), False)


def test_modules_to_load_are_listed_after_their_dependencies() -> None:
    """Loaded modules are left out and nothing is listed twice."""
    load = plan.of(replace(debian(), loaded=BOOTED)).load

    assert load[: len(FOR_NFTABLES)] == FOR_NFTABLES
    assert load.index("nf_tables") < load.index("nft_queue")
    assert "veth" in load
    assert len(set(load)) == len(load)
    assert not set(load) & BOOTED


def test_a_kernel_without_nft_queue_uses_ip_tables() -> None:
    """CONFIG_NFT_QUEUE is not set and everything else is built in, so nothing is loaded."""
    observation = look.parse((LOOKS / "6.18-everything-built-in.txt").read_text())
    proposal = plan.of(observation)

    assert not observation.has_modules
    assert (proposal.rule, proposal.load, proposal.meaning) == ("iptables", (), ())
    assert observation.state("nft_queue", "CONFIG_NFT_QUEUE") is PartState.ABSENT


def test_a_module_blocked_by_modprobe_configuration_counts_as_missing() -> None:
    """An install line in modprobe.d replaces it after its dependencies; the check respects that."""
    observation = debian()
    lines = (*observation.depends["nft_queue"][:-1], "install /bin/false")
    observation = replace(observation, depends={**observation.depends, "nft_queue": lines})

    assert observation.state("nft_queue", "CONFIG_NFT_QUEUE") is PartState.ABSENT
    assert plan.of(observation).rule == "iptables"


def test_a_kernel_without_any_rule_is_refused_by_name() -> None:
    """The error names both ways with what each lacks and where it might come from."""
    with pytest.raises(BrokenEnvironment) as refusal:
        plan.of(without(debian(), "nft_queue", "xt_NFQUEUE"))

    assert "nft_queue" in refusal.value.message
    assert "xt_NFQUEUE" in refusal.value.message
    assert "kernel-modules-extra" in (refusal.value.hint or "")


def test_a_kernel_built_without_nfqueue_is_distinguished_from_a_missing_package() -> None:
    """No package helps when CONFIG_NETFILTER_NETLINK_QUEUE is not set."""
    observation = without(debian(), "nfnetlink_queue")
    observation = replace(observation, config={**observation.config, "CONFIG_NETFILTER_NETLINK_QUEUE": "n"})
    with pytest.raises(BrokenEnvironment) as refusal:
        plan.of(observation)

    assert refusal.value.message == "kernel 6.1.0-56-cloud-amd64 lacks nfnetlink_queue (NFQUEUE)"
    assert "built without CONFIG_NETFILTER_NETLINK_QUEUE" in (refusal.value.hint or "")


def test_a_machine_without_config_and_modprobe_is_tried() -> None:
    """The kernel itself decides then."""
    observation = replace(debian(), config={}, depends={}, loaded=frozenset())

    assert observation.state("nf_conntrack", "CONFIG_NF_CONNTRACK") is PartState.UNKNOWN
    assert plan.of(observation).load == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "riscv64"}, "architecture riscv64: the program that runs there is built for x86_64"),
        ({"system": "FreeBSD"}, "FreeBSD, not Linux"),
        ({"is_root": False}, "need root"),
        ({"is_locked": True, "loaded": BOOTED}, "does not allow that"),
    ],
)
def test_a_machine_that_cannot_be_checked_is_refused_before_anything_is_done(
    change: dict[str, object], message: str
) -> None:
    """Each refusal names the problem and what to do."""
    with pytest.raises(BrokenEnvironment) as refusal:
        plan.of(replace(debian(), **change))  # type: ignore[arg-type]

    assert message in refusal.value.message


def test_a_user_with_passwordless_sudo_need_not_be_root() -> None:
    """The check uses sudo -n, because no password can be typed there."""
    assert plan.of(replace(debian(), is_root=False, has_sudo=True)).sudo


@pytest.mark.parametrize(
    ("kernel", "options", "message"),
    [
        ("6.1.0", (), "only where a rule requests it"),
        ("3.10.0-123.el7.x86_64", (), "every network namespace"),
        ("6.1.0", ("options nf_conntrack enable_hooks=1",), "enable_hooks"),
    ],
)
def test_the_plan_warns_where_loading_conntrack_tracks_everywhere(
    kernel: str, options: tuple[str, ...], message: str
) -> None:
    """Before 4.10, or when configured so, conntrack tracks all traffic once it is loaded."""
    observation = replace(debian(), loaded=BOOTED, kernel=kernel, options=options)

    assert any(message in sentence for sentence in plan.of(observation).meaning)


def test_the_plan_says_that_veth_stays_loaded() -> None:
    """Unloading it would remove other users' links; the plan says so before confirmation."""
    meaning = plan.of(replace(debian(), loaded=BOOTED)).meaning

    assert any(sentence.startswith("veth stays loaded") for sentence in meaning)


def test_a_replica_is_detected_by_its_module() -> None:
    """A kernel rewound by ctrewind is never taken for the real kernel."""
    assert not debian().is_replica
    assert replace(debian(), loaded=debian().loaded | {"ctrewind"}).is_replica


def test_login_output_before_the_script_is_ignored() -> None:
    """A login shell may print anything before the script begins."""
    text = (LOOKS / "debian-12-cloud.txt").read_text()

    assert look.parse("Welcome!\n" + text) == look.parse(text)


def test_nat_is_loaded_for_the_last_trials_only() -> None:
    """On some kernels a plain clash ends differently with NAT loaded, so plain trials come first."""
    proposal = plan.of(debian())

    assert not any("nat" in module for module in proposal.load)
    assert proposal.behind_dnat.rule == "nftables"
    assert [module for module in proposal.behind_dnat.load if "nat" in module] == [
        "nf_nat",
        "nft_chain_nat",
        "nft_nat",
    ]
    assert set(proposal.load) < set(proposal.behind_dnat.load) == set(proposal.all_loads)
    assert any("address translation" in sentence for sentence in proposal.meaning)


def test_after_a_refused_rule_the_plan_uses_the_other_one() -> None:
    """3.10.0-123 has all nf_tables modules but rejects a "queue" rule; that shows only when it is added."""
    proposal = plan.of(debian(), refused="nftables")

    assert (proposal.rule, proposal.behind_dnat.rule) == ("iptables", "iptables")
    with pytest.raises(BrokenEnvironment):
        plan.of(without(debian(), "xt_NFQUEUE"), refused="nftables")


class Refuses:
    """A machine whose kernel rejects a rule."""

    def __init__(self, message: str) -> None:
        self.message = message

    def look(self, modules: Sequence[str]) -> str:
        """See Reach."""
        raise NotImplementedError

    def read(self, path: str) -> bytes | None:
        """See Reach."""
        raise NotImplementedError

    @contextmanager
    def run(
        self,
        program: HostProgram,  # noqa: ARG002
        built: Path,  # noqa: ARG002
        arguments: Sequence[str],  # noqa: ARG002
        *,
        sudo: bool,  # noqa: ARG002
    ) -> Iterator[io.RawIOBase]:
        """See Reach."""
        with io.FileIO(os.devnull) as nothing, suppress(BrokenEnvironment):
            yield nothing
        raise BrokenEnvironment("receive.sh failed with exit status 3", hint=f"its output: {self.message}")


@pytest.mark.parametrize(
    ("message", "refusal"),
    [
        ('check: cannot make an nf_tables rule with "ct" and "queue": Invalid argument', True),
        ("check: cannot read ip_tables' table nat: Protocol not available", True),
        ("check: cannot make namespaces: Operation not permitted", False),
        ("Connection closed", False),
    ],
)
def test_a_refused_rule_is_distinguished_from_a_lost_connection(message: str, *, refusal: bool) -> None:
    """The other rule is worth an attempt only after a refusal."""
    batch = trials.plain(plan.of(debian()), 5)
    with pytest.raises(BrokenEnvironment) as error:
        list(trials.make(Refuses(message), Path("check"), batch, lambda: True, sudo=False))

    assert isinstance(error.value, trials.RuleRefusedError) == refusal
    assert not refusal or error.value.message == message.removeprefix("check: ")


@pytest.mark.parametrize("kernel", ["3.10.0-1127.el7.x86_64", "4.2.8"])
def test_nf_tables_nat_is_not_used_before_hooks_are_per_namespace(kernel: str) -> None:
    """On 3.10.0-1127 the first namespace's chain applied to all, and four of five trials had no DNAT."""
    observation = replace(debian(), kernel=kernel)
    proposal = plan.of(observation)

    assert (proposal.rule, proposal.behind_dnat.rule) == ("nftables", "iptables")
    lacking = plan.of(without(observation, "xt_nat")).behind_dnat
    assert (lacking.rule, lacking.why_not) == (None, "xt_nat (a rule that translates) is missing")


def test_ip_tables_translates_where_nf_tables_cannot() -> None:
    """Plain trials keep the rule that needs least; all rules of the DNAT trials use ip_tables."""
    proposal = plan.of(without(debian(), "nft_nat"))

    assert (proposal.rule, proposal.behind_dnat.rule) == ("nftables", "iptables")
    assert {"iptable_mangle", "iptable_nat", "xt_nat", "xt_statistic"} <= set(proposal.behind_dnat.load)


@pytest.mark.parametrize(
    ("change", "lacking", "why_not"),
    [
        ({}, ("nft_nat", "iptable_nat"), "nft_nat (a rule that translates) is missing"),
        ({"is_locked": True}, (), "this machine does not allow loading modules, and needs nf_nat, "),
    ],
)
def test_a_machine_without_nat_is_still_checked(
    change: dict[str, object], lacking: tuple[str, ...], why_not: str
) -> None:
    """The plain clash determines its era; the plan gives the reason why DNAT was not tried."""
    observation = without(debian(), *lacking)
    observation = replace(observation, loaded=observation.loaded | {"nft_ct", "nft_queue"}, **change)  # type: ignore[arg-type]
    proposal = plan.of(observation)

    assert (proposal.rule, proposal.load, proposal.behind_dnat.rule) == ("nftables", (), None)
    assert proposal.behind_dnat.why_not.startswith(why_not)
    assert trials.behind_dnat(proposal, 5) is None


@given(st.text(max_size=200) | st.sampled_from(["", "== uname\nLinux\n", "== options\n"]))
def test_garbage_from_a_machine_is_one_clear_error(text: str) -> None:
    """The input may come from a wrong shell or a broken connection."""
    with pytest.raises(BrokenEnvironment):
        look.parse(text)


@given(cut=st.integers(0, 10_000))
def test_truncated_facts_are_refused_or_lack_only_their_end(cut: int) -> None:
    """A truncated answer is not taken for a machine with fewer features."""
    text = (LOOKS / "debian-12-cloud.txt").read_text()
    with pytest.raises(BrokenEnvironment):
        look.parse(text[: min(cut, len(text) - len("== options\n"))])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("root@web1", Account("web1", "root")),
        ("web1.example.com", Account("web1.example.com")),
        ("root@192.0.2.7:2222", Account("192.0.2.7", "root", 2222)),
        ("root@[2001:db8::1]:22", Account("2001:db8::1", "root", 22)),
        ("[::1]", Account("::1")),
    ],
)
def test_a_machine_is_named_as_ssh_names_it(text: str, expected: Account) -> None:
    """User and port are optional; an IPv6 address is in brackets."""
    assert account(text) == expected


@pytest.mark.parametrize(
    "text", ["", "@", "root@", "a b", "root@host:0", "host:65536", "host:x", "-oProxyCommand=x", "::1"]
)
def test_an_invalid_machine_address_is_bad_input(text: str) -> None:
    """No option and no partial address is passed to SSH."""
    with pytest.raises(BadInput):
        account(text)
