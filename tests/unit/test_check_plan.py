"""What `lab check` reads off a machine before it does anything, and what it would do then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.checking import look, plan
from lab.checking.look import Look, State
from lab.endpoint import Account, account
from lab.errors import BadInput, BrokenEnvironment

LOOKS = Path(__file__).parents[1] / "looks"
BOOTED = frozenset({"virtio", "virtio_net", "crc32c_intel", "libcrc32c"})
"""What Debian's cloud kernel has loaded before anybody has asked for conntrack."""

FOR_NFTABLES = ("nf_defrag_ipv4", "nf_defrag_ipv6", "nf_conntrack", "nfnetlink", "nfnetlink_queue")


def debian() -> Look:
    """Give a Debian 12 machine as it was recorded, with conntrack and its like loaded."""
    return look.parse((LOOKS / "debian-12-cloud.txt").read_text())


def without(seen: Look, *modules: str) -> Look:
    """Give a machine whose modprobe finds these modules nowhere."""
    depends = {name: lines if name not in modules else () for name, lines in seen.depends.items()}
    return replace(seen, loaded=seen.loaded - set(modules), depends=depends)


def test_what_is_loaded_already_is_used_as_it_is() -> None:
    """The rule is made by what needs the least: two modules are missing for nf_tables, three for ip_tables."""
    planned = plan.of(debian(), "x86_64")

    assert (planned.rule, planned.load, planned.sudo) == ("nftables", ("nft_ct", "nft_queue"), False)


def test_what_is_loaded_names_all_that_it_needs_in_order() -> None:
    """Each stands behind those that it needs, what is there already is left out, and nothing comes twice."""
    load = plan.of(replace(debian(), loaded=BOOTED), "x86_64").load

    assert load[: len(FOR_NFTABLES)] == FOR_NFTABLES
    assert load.index("nf_tables") < load.index("nft_queue")
    assert "veth" in load
    assert len(set(load)) == len(load)
    assert not set(load) & BOOTED


def test_a_kernel_without_a_rule_by_nf_tables_makes_it_by_ip_tables() -> None:
    """CONFIG_NFT_QUEUE is not set there, and everything else is built in: nothing is loaded, since nothing can be."""
    seen = look.parse((LOOKS / "6.18-everything-built-in.txt").read_text())
    planned = plan.of(seen, "x86_64")

    assert not seen.has_modules
    assert (planned.rule, planned.load, planned.meaning) == ("iptables", (), ())
    assert seen.state("nft_queue", "CONFIG_NFT_QUEUE") is State.ABSENT


def test_a_module_that_its_owner_does_not_let_in_counts_as_missing() -> None:
    """An install line in modprobe.d stands in its place, behind what it needs: such a machine is not argued with."""
    seen = debian()
    lines = (*seen.depends["nft_queue"][:-1], "install /bin/false")
    seen = replace(seen, depends={**seen.depends, "nft_queue": lines})

    assert seen.state("nft_queue", "CONFIG_NFT_QUEUE") is State.ABSENT
    assert plan.of(seen, "x86_64").rule == "iptables"


def test_a_kernel_without_any_rule_is_refused_by_name() -> None:
    """Both ways are named with what each lacks, and where it might be had."""
    with pytest.raises(BrokenEnvironment) as refused:
        plan.of(without(debian(), "nft_queue", "xt_NFQUEUE"), "x86_64")

    assert "nft_queue" in refused.value.message
    assert "xt_NFQUEUE" in refused.value.message
    assert "kernel-modules-extra" in (refused.value.hint or "")


def test_a_kernel_that_was_built_without_the_queue_is_told_from_one_that_lacks_a_package() -> None:
    """No package helps against CONFIG_NETFILTER_NETLINK_QUEUE that is not set."""
    seen = without(debian(), "nfnetlink_queue")
    seen = replace(seen, config={**seen.config, "CONFIG_NETFILTER_NETLINK_QUEUE": "n"})
    with pytest.raises(BrokenEnvironment) as refused:
        plan.of(seen, "x86_64")

    assert refused.value.message == "kernel 6.1.0-56-cloud-amd64 lacks nfnetlink_queue (NFQUEUE)"
    assert "built without CONFIG_NETFILTER_NETLINK_QUEUE" in (refused.value.hint or "")


def test_what_nothing_is_known_of_is_tried() -> None:
    """Without configuration and modprobe the kernel itself has the last word."""
    seen = replace(debian(), config={}, depends={}, loaded=frozenset())

    assert seen.state("nf_conntrack", "CONFIG_NF_CONNTRACK") is State.UNKNOWN
    assert plan.of(seen, "x86_64").load == ()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"architecture": "aarch64"}, "architecture aarch64, and the lab runs on x86_64"),
        ({"system": "FreeBSD"}, "FreeBSD, not Linux"),
        ({"is_root": False}, "need root"),
        ({"is_locked": True, "loaded": BOOTED}, "loads none any more"),
    ],
)
def test_a_machine_that_cannot_be_checked_is_refused_before_anything_is_done(
    change: dict[str, object], told: str
) -> None:
    """Each refusal says what is wrong, and what to do."""
    with pytest.raises(BrokenEnvironment) as refused:
        plan.of(replace(debian(), **change), "x86_64")  # type: ignore[arg-type]

    assert told in refused.value.message


def test_a_user_whom_sudo_lets_in_needs_not_be_root() -> None:
    """By sudo -n, since nobody is there to type a password."""
    assert plan.of(replace(debian(), is_root=False, has_sudo=True), "x86_64").sudo


@pytest.mark.parametrize(
    ("kernel", "options", "told"),
    [
        ("6.1.0", (), "only where a rule asks for it"),
        ("3.10.0-123.el7.x86_64", (), "every network namespace"),
        ("6.1.0", ("options nf_conntrack enable_hooks=1",), "enable_hooks"),
    ],
)
def test_what_loading_conntrack_means_depends_on_the_kernel(kernel: str, options: tuple[str, ...], told: str) -> None:
    """Before 4.10, and where somebody chose so, it tracks everywhere as soon as it is loaded: that is said."""
    seen = replace(debian(), loaded=BOOTED, kernel=kernel, options=options)

    assert any(told in sentence for sentence in plan.of(seen, "x86_64").meaning)


def test_veth_is_said_to_stay() -> None:
    """Unloading it would take away the links of others: people must hear that before they say yes."""
    meaning = plan.of(replace(debian(), loaded=BOOTED), "x86_64").meaning

    assert any(sentence.startswith("veth stays loaded") for sentence in meaning)


def test_a_replica_is_known_by_its_module() -> None:
    """A kernel that ctrewind turned back is never taken for the kernel itself."""
    assert not debian().is_replica
    assert replace(debian(), loaded=debian().loaded | {"ctrewind"}).is_replica


def test_a_greeting_of_the_machine_is_passed_over() -> None:
    """A login shell may print what it likes before the script begins."""
    text = (LOOKS / "debian-12-cloud.txt").read_text()

    assert look.parse("Welcome!\n" + text) == look.parse(text)


@given(st.text(max_size=200) | st.sampled_from(["", "== uname\nLinux\n", "== options\n"]))
def test_garbage_is_never_a_machine(text: str) -> None:
    """A shell that is none, or a connection that was cut, is one clear error."""
    with pytest.raises(BrokenEnvironment):
        look.parse(text)


@given(cut=st.integers(0, 10_000))
def test_half_of_what_a_machine_says_is_refused_or_lacks_only_its_end(cut: int) -> None:
    """A look that was cut off is not taken for a machine that has less."""
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
    """User and port are optional; an IPv6 address stands in brackets."""
    assert account(text) == expected


@pytest.mark.parametrize(
    "text", ["", "@", "root@", "a b", "root@host:0", "host:65536", "host:x", "-oProxyCommand=x", "::1"]
)
def test_what_names_no_machine_is_bad_input(text: str) -> None:
    """Nothing that looks like an option, or like half an address, gets as far as SSH."""
    with pytest.raises(BadInput):
        account(text)
