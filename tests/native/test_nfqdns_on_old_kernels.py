"""Type-check nfqdns.c against the prototypes of kernels that cannot be built here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.foundation.home import PROVISION

INTERFACES = Path(__file__).parent / "kernel_interfaces"
HOOK_STATE = "struct nf_hook_state {"
KERNELS = ["rhel-7.0", "rhel-7.8", "linux-4.4", "linux-4.14", "linux-4.15"]


def type_check(
    kernel: str, *defines: str, source: Path = PROVISION / "nfqdns" / "nfqdns.c", warnings: str = "-Werror"
) -> str:
    """Compile without output and return the compiler's messages."""
    include = [f"-I{INTERFACES / kernel}", f"-I{INTERFACES / 'common'}", f"-I{PROVISION / 'nfqdns'}"]
    # The C standard of kernels before 5.18 excludes newer constructs.
    flags = ["-std=gnu89", "-fsyntax-only", "-Wall", warnings, "-Wdeclaration-after-statement", "-ffreestanding"]
    result = subprocess.run(["gcc", *flags, *include, *defines, source], capture_output=True, text=True, check=False)
    return result.stderr


def defines(kernel: str) -> list[str]:
    """Search the headers for the structure as the Makefile does, since the version alone does not decide."""
    headers = (INTERFACES / kernel / "linux" / "netfilter.h").read_text()
    return ["-DNFQDNS_HOOK_STATE"] if HOOK_STATE in headers else []


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_hook_matches_the_kernels_prototypes(kernel: str) -> None:
    """Hook function and registration match the kernel's declarations."""
    assert type_check(kernel, *defines(kernel)) == ""


@pytest.mark.parametrize(("kernel", "wrong"), [("rhel-7.0", ["-DNFQDNS_HOOK_STATE"]), ("rhel-7.8", [])])
def test_the_other_rhel_prototype_is_refused(kernel: str, wrong: list[str]) -> None:
    """Real kernels hide this mistake from the module loader, so the check must detect it."""
    assert "incompatible pointer type" in type_check(kernel, *wrong)


@pytest.mark.parametrize(("kernel", "wrong"), [("rhel-7.0", ["-DNFQDNS_HOOK_STATE"]), ("rhel-7.8", [])])
def test_a_wrong_prototype_fails_a_build_that_allows_warnings(kernel: str, wrong: list[str]) -> None:
    """In a guest a warning is no error: the module with the wrong prototype would load and crash."""
    assert "the hook function does not fit this kernel" in type_check(kernel, *wrong, warnings="-w")
    assert type_check(kernel, *defines(kernel), warnings="-w") == ""


def test_a_hook_registered_for_one_namespace_only_is_refused_before_4_3(tmp_path: Path) -> None:
    """RHEL 7 has no registration per namespace; a wrong version guard would not compile there."""
    compat = (
        (PROVISION / "nfqdns" / "compat.h").read_text().replace("KERNEL_VERSION(4, 3, 0)", "KERNEL_VERSION(3, 0, 0)")
    )
    (tmp_path / "compat.h").write_text(compat)
    (tmp_path / "nfqdns.c").write_text((PROVISION / "nfqdns" / "nfqdns.c").read_text())

    complaint = type_check("rhel-7.0", source=tmp_path / "nfqdns.c")

    assert "nf_register_net_hooks" in complaint


def test_a_macro_missing_in_rhel_7_0_is_detected(tmp_path: Path) -> None:
    """compat.h must define what the oldest kernel lacks, or the module does not build there."""
    compat = (PROVISION / "nfqdns" / "compat.h").read_text().replace("#define READ_ONCE", "#define SOMETHING_ELSE")
    (tmp_path / "compat.h").write_text(compat)
    (tmp_path / "nfqdns.c").write_text((PROVISION / "nfqdns" / "nfqdns.c").read_text())

    assert "READ_ONCE" in type_check("rhel-7.0", source=tmp_path / "nfqdns.c")
    assert type_check("rhel-7.8", *defines("rhel-7.8"), source=tmp_path / "nfqdns.c") == ""


def test_the_hooks_line_does_not_use_the_pointer_format() -> None:
    """Before 4.15, %p prints "(null)" for an untracked packet's conntrack, which the host could not parse."""
    source = (PROVISION / "nfqdns" / "nfqdns.c").read_text()

    assert "skb %016lx ct %016lx" in source


def test_the_makefile_searches_for_the_same_structure() -> None:
    """The same rule decides here and in a guest's build between the two RHEL prototypes."""
    assert HOOK_STATE in (PROVISION / "nfqdns" / "Makefile").read_text()
