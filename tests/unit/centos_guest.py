"""A small stand-in for a CentOS guest: it does what the plan's commands ask, as far as the plan can see."""

from __future__ import annotations

import configparser
from collections.abc import Sequence
from dataclasses import dataclass, field

from lab.endpoint.ssh import Output
from lab.foundation.errors import BrokenEnvironment
from lab.provision.centos_facts import OFF, OURS, REPOSITORIES

BASE = f"{REPOSITORIES}/CentOS-Base.repo"


@dataclass
class Guest:
    """A guest in place of lab.endpoint.ssh.Shell.

    Attributes:
        release: The CentOS release.
        kernel: The running kernel.
        default: The kernel file that is booted by default.
        packages: Installed packages: name and version.
        files: Files with content.
        firewall: Whether firewalld runs.
        down: Prefixes of addresses that do not answer.
        lacking: Packages that no repository has.
        boots: The kernel that is booted whatever is the default; None for a boot loader that obeys.
        done: The commands that changed something.
        permissive: Kernel files that boot with SELinux permissive.
    """

    release: str = "7.8.2003"
    kernel: str = "3.10.0-1127.el7.x86_64"
    default: str = "/boot/vmlinuz-3.10.0-1127.el7.x86_64"
    packages: set[tuple[str, str]] = field(default_factory=lambda: {("kernel", "3.10.0-1127.el7.x86_64")})
    files: dict[str, str] = field(default_factory=lambda: {BASE: "the closed mirrors"})
    firewall: bool = True
    down: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    boots: str | None = None
    done: list[str] = field(default_factory=list)
    permissive: set[str] = field(default_factory=set)

    def ask(self, argv: Sequence[str], *, bound_s: float = 60.0) -> str:
        """Act as Shell.ask."""
        output = self.run(argv, bound_s=bound_s)
        if output.status != 0:
            raise BrokenEnvironment(f"{' '.join(argv)} failed with exit status {output.status}", hint=output.stderr)
        return output.stdout.decode()

    def put(self, content: bytes, path: str) -> None:
        """Act as Shell.put."""
        self.files[path] = content.decode()

    def reopen(self) -> None:
        """Act as Shell.reopen."""

    def reboot(self) -> None:
        """Boot again."""
        self.kernel = self.boots or self.default.removeprefix("/boot/vmlinuz-")
        self.done.append("reboot")

    def run(self, argv: Sequence[str], *, bound_s: float = 60.0) -> Output:
        """Act as Shell.run for each command of a plan; any other command is an error."""
        assert bound_s > 0
        match list(argv):
            case ["sh", "-c", _]:
                return self._facts()
            case ["curl", *_, url]:
                return Output(6 if url.startswith(self.down or ("-",)) else 0, b"", "Could not resolve host")
            case ["env", "LC_ALL=C", "rpm", "-q", *packages]:
                missing = [package for package in packages if not self._has(package)]
                output = "".join(f"package {package} is not installed\n" for package in missing)
                return Output(len(missing), output.encode(), "")
        self.done.append(" ".join(argv))
        return self._changed(list(argv))

    def _changed(self, argv: list[str]) -> Output:
        match argv:
            case ["yum", "-y", *_]:
                return self._yum([part for part in argv if part.startswith("--enablerepo=")], _after(argv, "install"))
            case ["mv", "-t", directory, *paths]:
                assert directory == OFF
                for path in paths:
                    self.files[f"{OFF}/{path.rpartition('/')[2]}"] = self.files.pop(path)
            case ["systemctl", "stop", "firewalld"]:
                self.firewall = False
            case ["grubby", "--set-default", path]:
                assert self._has(f"kernel-{path.removeprefix('/boot/vmlinuz-')}"), f"there is no {path}"
                self.default = path
            case ["grubby", update, "--args=enforcing=0"] if update.startswith("--update-kernel="):
                path = update.partition("=")[2]
                assert self._has(f"kernel-{path.removeprefix('/boot/vmlinuz-')}"), f"there is no {path}"
                self.permissive.add(path)
            case ["mkdir", "-p", _] | ["yum", "-q", "clean", "all"] | ["systemctl", "disable", _] | ["sync"]:
                pass
            case _:
                raise AssertionError(f"no plan has {argv}")
        return Output(0, b"", "")

    def _yum(self, enabled: list[str], wanted: list[str]) -> Output:
        """Install what the repositories have. Like yum, accept a partial result, and fail when a repository is down."""
        repositories = configparser.ConfigParser()
        for path, text in self.files.items():
            if path.startswith(f"{REPOSITORIES}/") and path.endswith(".repo") and not path.startswith(OFF):
                repositories.read_string(text)
        used = [
            repository
            for name, repository in repositories.items()
            if name != "DEFAULT" and (repository.get("enabled", "1") == "1" or f"--enablerepo={name}" in enabled)
        ]
        for repository in used:
            assert repository["gpgcheck"] == "1"
            if repository["baseurl"].startswith(self.down or ("-",)):
                return Output(1, b"", f"Cannot retrieve repository metadata: {repository['baseurl']}")
        got = {
            package_found
            for package in wanted
            for repository in used
            if (package_found := self._offered(package, repository))
        }
        self.packages |= got
        return Output(0 if got else 1, b"", "" if got else "Error: Nothing to do")

    def _offered(self, package: str, repository: configparser.SectionProxy) -> tuple[str, str] | None:
        name, version = _parts(package)
        only, never = repository.get("includepkgs", "").split(), repository.get("exclude", "").split()
        if name in self.lacking or name in never or (only and name not in only):
            return None
        return name, version or "1-1.el7.x86_64"

    def _has(self, package: str) -> bool:
        name, version = _parts(package)
        return any(name == have and version in (None, their) for have, their in self.packages)

    def _facts(self) -> Output:
        repositories = [path for path in self.files if path.endswith(".repo") and not path.startswith(OFF)]
        parts = {
            "release": f"CentOS Linux release {self.release} (Core)",
            "kernel": self.kernel,
            "default": self.default,
            "boots": "".join(self._entry(number, path) for number, path in enumerate(self._kernels())),
            "packages": "\n".join(" ".join(package) for package in sorted(self.packages)),
            "repositories": "\n".join(repositories),
            "ours": self.files.get(OURS, ""),
            "firewall": "active" if self.firewall else "inactive",
        }
        return Output(0, "".join(f"== {name}\n{text}\n" for name, text in parts.items()).encode(), "")

    def _kernels(self) -> list[str]:
        return [f"/boot/vmlinuz-{version}" for name, version in sorted(self.packages) if name == "kernel"]

    def _entry(self, number: int, path: str) -> str:
        """Return a boot loader entry in the form of grubby 8.28 (CentOS 7)."""
        more = " enforcing=0" if path in self.permissive else ""
        return f'index={number}\nkernel={path}\nargs="ro no_timer_check console=tty0{more}"\nroot=/dev/vda1\n'


def _parts(package: str) -> tuple[str, str | None]:
    """Split a package name as yum and rpm do: kernel packages include their version, others do not."""
    name, dash, version = package.partition("-3.10.0-")
    return (name, f"3.10.0-{version}") if dash else (package, None)


def _after(argv: list[str], word: str) -> list[str]:
    return argv[argv.index(word) + 1 :]
