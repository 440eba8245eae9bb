"""Whether nfqdns.c fits kernels that cannot be built here, checked against their interfaces' prototypes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.home import PROVISION

INTERFACES = Path(__file__).parent / "kernel_interfaces"
HOOK_STATE = "struct nf_hook_state {"
KERNELS = ["rhel-7.0", "rhel-7.8", "linux-4.4", "linux-4.14", "linux-4.15"]


def type_check(kernel: str, *defines: str, source: Path = PROVISION / "nfqdns" / "nfqdns.c") -> str:
    """Compile without output and give what the compiler complains of."""
    include = [f"-I{INTERFACES / kernel}", f"-I{INTERFACES / 'common'}", f"-I{PROVISION / 'nfqdns'}"]
    # The language of kernels before 5.18, so that nothing newer slips in.
    flags = ["-std=gnu89", "-fsyntax-only", "-Wall", "-Werror", "-Wdeclaration-after-statement", "-ffreestanding"]
    done = subprocess.run(["gcc", *flags, *include, *defines, source], capture_output=True, text=True, check=False)
    return done.stderr


def defines(kernel: str) -> list[str]:
    """Do as the Makefile: look for the structure in the headers, since the version alone does not tell."""
    headers = (INTERFACES / kernel / "linux" / "netfilter.h").read_text()
    return ["-DNFQDNS_HOOK_STATE"] if HOOK_STATE in headers else []


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_hook_fits_the_kernels_prototypes(kernel: str) -> None:
    """Hook function and registration are those that the kernel declares."""
    assert type_check(kernel, *defines(kernel)) == ""


@pytest.mark.parametrize(("kernel", "wrong"), [("rhel-7.0", ["-DNFQDNS_HOOK_STATE"]), ("rhel-7.8", [])])
def test_the_other_rhel_prototype_is_refused(kernel: str, wrong: list[str]) -> None:
    """The real kernels hide this mistake from the module loader, so the check must see it."""
    assert "incompatible pointer type" in type_check(kernel, *wrong)


def test_a_hook_registered_for_one_namespace_only_is_refused_before_4_3(tmp_path: Path) -> None:
    """RHEL 7 has no registration per namespace: a guard that took it for newer would not compile."""
    compat = (
        (PROVISION / "nfqdns" / "compat.h").read_text().replace("KERNEL_VERSION(4, 3, 0)", "KERNEL_VERSION(3, 0, 0)")
    )
    (tmp_path / "compat.h").write_text(compat)
    (tmp_path / "nfqdns.c").write_text((PROVISION / "nfqdns" / "nfqdns.c").read_text())

    complaint = type_check("rhel-7.0", source=tmp_path / "nfqdns.c")

    assert "nf_register_net_hooks" in complaint


def test_a_macro_that_rhel_7_0_lacks_is_noticed(tmp_path: Path) -> None:
    """What the oldest kernel does not have must be given by compat.h, or the module does not build on it."""
    compat = (PROVISION / "nfqdns" / "compat.h").read_text().replace("#define READ_ONCE", "#define SOMETHING_ELSE")
    (tmp_path / "compat.h").write_text(compat)
    (tmp_path / "nfqdns.c").write_text((PROVISION / "nfqdns" / "nfqdns.c").read_text())

    assert "READ_ONCE" in type_check("rhel-7.0", source=tmp_path / "nfqdns.c")
    assert type_check("rhel-7.8", *defines("rhel-7.8"), source=tmp_path / "nfqdns.c") == ""


def test_the_hooks_line_does_not_print_pointers_as_such() -> None:
    """Before 4.15, %p says "(null)" for the conntrack of an untracked packet, which the host could not read."""
    source = (PROVISION / "nfqdns" / "nfqdns.c").read_text()

    assert "skb %016lx ct %016lx" in source


def test_the_makefile_looks_for_the_same_structure() -> None:
    """What decides between the two RHEL prototypes here is what decides when building there."""
    assert HOOK_STATE in (PROVISION / "nfqdns" / "Makefile").read_text()
