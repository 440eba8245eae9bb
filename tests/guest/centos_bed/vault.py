"""A vault of small signed RPMs with the relevant dependencies, in the layout of CentOS's vault."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

KERNEL = "3.10.0-123.el7"
UPDATED_KERNEL = "3.10.0-123.20.1.el7"
LAST_KERNEL = "3.10.0-1160.el7"
"""Kernels of 7.0.1406, of its updates, and of 7.9.2009: the vault has all three; only the first may be installed."""

HIDDEN = {
    "gcc": ("bin/cc", "bin/gcc"),
    "make": ("bin/make",),
    "conntrack-tools": ("sbin/conntrack",),
    "dnsmasq": ("sbin/dnsmasq",),
    "strace": ("bin/strace",),
    "tcpdump": ("bin/tcpdump",),
    "wget": ("bin/wget",),
}
"""Packages with the paths below /usr of their programs, which are absent until installation."""

PARTED = ("curl", "iproute", "iptables", "c-ares-devel", "libmnl", "libnfnetlink")
"""Packages whose files every box has, or which are only dependencies."""

IDENTITY = "vault@example.com"


@dataclass(frozen=True)
class Package:
    """One RPM.

    Attributes:
        name: Its name.
        version: Version and release.
        requires: Requirements in spec file syntax.
        files: Installed symbolic links: targets by path.
        after: Command of its post-install scriptlet.
        provides: Additional provides.
    """

    name: str
    version: str
    requires: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    after: str = ""
    provides: tuple[str, ...] = ()


def repositories() -> Mapping[str, tuple[Package, ...]]:
    """Return the packages of each repository by its path in the vault."""
    return {
        "7.0.1406/os": (
            *_glibc("2.17-55.el7"),
            *_kernel(KERNEL),
            Package("gcc", "4.8.2-16.el7", ("glibc-devel",), _links("gcc")),
            *(Package(name, "1-1.el7", (), _links(name)) for name in HIDDEN if name != "gcc"),
            *(Package(name, "1-1.el7") for name in PARTED),
        ),
        "7.0.1406/updates": (*_glibc("2.17-55.el7_0.5"), *_kernel(UPDATED_KERNEL)),
        "7.9.2009/os": (
            *_kernel(LAST_KERNEL),
            Package("libnetfilter_queue", "1.0.2-2.el7_2", ("libmnl", "libnfnetlink")),
            Package("libnetfilter_queue-devel", "1.0.2-2.el7_2", ("libnetfilter_queue = 1.0.2-2.el7_2",)),
        ),
    }


def installed() -> tuple[Package, ...]:
    """Return the box's packages: it was updated, so the release's glibc-devel does not fit its glibc."""
    shell = Package("bash", "4.2.45-5.el7_0.4", provides=("/bin/sh",))
    return (shell, _glibc("2.17-55.el7_0.5")[0], _kernel(UPDATED_KERNEL)[0])


def _glibc(version: str) -> tuple[Package, Package]:
    return Package("glibc", version), Package("glibc-devel", version, (f"glibc = {version}",))


def _kernel(version: str) -> tuple[Package, Package]:
    """Return a kernel and its headers; for any release its modules are built with the image's headers."""
    release = f"{version}.x86_64"
    build = (f"/lib/modules/{release}/build", f"/usr/src/kernels/{release}")
    image = (f"/boot/vmlinuz-{release}", "/etc/bed/image")
    headers = (f"/usr/src/kernels/{release}", "/etc/bed/headers")
    return (
        Package("kernel", version, (), (image, build), f"/usr/sbin/bed-kernel add {release}"),
        Package("kernel-devel", version, (), (headers,)),
    )


def _links(name: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"/usr/{path}", f"/usr/libexec/bed/visible/{path.rpartition('/')[2]}") for path in HIDDEN[name])


class Vault:
    """A vault on disk, signed with a key created for it.

    Args:
        directory: Build directory; no other place is used.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "vault"
        self.key = directory / "RPM-GPG-KEY-CentOS-7"
        self._gnupg = directory / "gnupg"
        self._scratch = directory / "rpmbuild"

    def make(self) -> None:
        """Create every repository, and the box's own packages in `installed/`."""
        self._gnupg.mkdir(mode=0o700)
        self._gpg("--quick-generate-key", IDENTITY, "rsa2048", "sign", "never")
        self.key.write_bytes(self._gpg("--armor", "--export", IDENTITY))
        for name, packages in repositories().items():
            where = self.directory / name / "x86_64"
            self._build(packages, where / "Packages")
            subprocess.run(["createrepo_c", "--quiet", where], check=True)
        self._build(installed(), self.directory / "installed")
        shutil.rmtree(self._scratch)

    def _build(self, packages: Iterable[Package], where: Path) -> None:
        self._scratch.mkdir(exist_ok=True)
        specs: list[str | Path] = []
        for package in packages:
            specs.append(self._scratch / f"{package.name}.spec")
            Path(specs[-1]).write_text(_spec(package))
        settings = {
            "_topdir": self._scratch,
            "_rpmdir": where,
            "_build_name_fmt": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
            "__spec_install_post": "%{nil}",
        }
        defines = [part for name, value in settings.items() for part in ("--define", f"{name} {value}")]
        command: list[str | Path] = ["rpmbuild", "--quiet", "-bb", "--nodeps", "--target", "x86_64", *defines, *specs]
        subprocess.run(command, check=True, capture_output=True)
        rpms = sorted(where.glob("*.rpm"))
        # Debian's rpm has no default path of gpg.
        gpg = ("--define", f"__gpg {shutil.which('gpg')}", "--define", f"_gpg_name {IDENTITY}")
        sign: list[str | Path] = ["rpmsign", *gpg, "--addsign", *rpms]
        subprocess.run(sign, check=True, capture_output=True, env=self._environment)

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "GNUPGHOME": str(self._gnupg)}

    def _gpg(self, *arguments: str) -> bytes:
        command = ["gpg", "--batch", "--passphrase", "", "--pinentry-mode", "loopback", *arguments]
        return subprocess.run(command, check=True, capture_output=True, env=self._environment).stdout

    def end(self) -> None:
        """End the agent that gpg started for its key ring."""
        subprocess.run(["gpgconf", "--kill", "all"], check=True, env=self._environment)


def _spec(package: Package) -> str:
    version, _, release = package.version.partition("-")
    relations = "".join(f"Requires: {requirement}\n" for requirement in package.requires)
    relations += "".join(f"Provides: {capability}\n" for capability in package.provides)
    links = "".join(
        f"mkdir -p %{{buildroot}}{Path(at).parent}\nln -s {to} %{{buildroot}}{at}\n" for at, to in package.files
    )
    listing = "".join(f"{at}\n" for at, _ in package.files)
    after = f"%post\n{package.after}\n" if package.after else ""
    return (
        f"Name: {package.name}\nVersion: {version}\nRelease: {release}\nSummary: a stand-in\nLicense: GPL-2.0\n"
        f"AutoReqProv: no\n{relations}%description\nA stand-in.\n%install\nmkdir -p %{{buildroot}}\n{links}"
        f"{after}%files\n{listing}"
    )
