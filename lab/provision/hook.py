"""The hook module of an added kernel, cached or built in the guest; without it, the offsets that a trace needs."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lab.endpoint.ssh import Shell
from lab.image.recipe import digest_of, source_files
from lab.provision import btf
from lab.provision.facts import REMOTE
from lab.provision.module_cache import ModuleCache

HOOK = "nfqdns"
"""The hook module, which queues packets; it needs the kernel's headers."""

OFFSETS = "offsets"
"""The file beside the module with the offsets of a packet's fields: see provision/guest/trace.sh."""

BUILD_BOUND_S = 600.0
"""Timeout for building two modules and a program: half a minute under emulation on an idle machine."""

_BUILT = f"{REMOTE}/build/$(uname -r)"

# Identifies the kernel's build, its configuration and its symbol versions.
_KERNEL = (
    "cd /lib/modules/$(uname -r)/build && "
    "{ cat /proc/version include/generated/autoconf.h Module.symvers 2>/dev/null || true; } | sha256sum"
)

_MADE_OF = ("nfqdns", "kbuild")
"""Directories of `provision/` from which a module is built."""

_DESCRIBED_IN = ("vmlinux", "nfnetlink_queue")
"""Files of /sys/kernel/btf with `struct nf_queue_entry`: nf_queue.c is built in, its user may be a module."""


def provide(shell: Shell, provision: Path, cache: ModuleCache, *, anew: bool = False) -> None:
    """Install the hook module in a machine that has the kernel's headers; it stays absent if it cannot be built.

    The reason is then stored in the machine beside the module's path, for guest/queue.sh. The build is tried only once,
    as it would fail again.

    Args:
        shell: A connection to the machine.
        provision: The directory `provision/`.
        cache: Cache of built modules.
        anew: Whether to rebuild it although one is installed or cached, because that one does not load.
    """
    key = _key(shell, provision)
    known = None if anew else cache.get(key)
    if known is not None and _put(shell, known):
        return
    cache.remove(key)
    shell.ask([f"{REMOTE}/guest/hook.sh", *(["anew"] if anew else [])], bound_s=BUILD_BOUND_S)
    built = shell.run(["sh", "-c", f"cat {_BUILT}/{HOOK}.ko"])
    if built.status == 0:
        cache.put(key, built.stdout)


def _key(shell: Shell, provision: Path) -> str:
    """Return a cache key for the kernel and the module's sources."""
    files = [path for path in source_files(provision) if path.relative_to(provision).parts[0] in _MADE_OF]
    kernel = shell.ask(["sh", "-c", _KERNEL]).split()[0]
    return hashlib.sha256(f"{kernel} {digest_of(provision, files)}".encode()).hexdigest()[:32]


def _put(shell: Shell, module: bytes) -> bool:
    """Copy a cached module into the machine; it is kept only if it loads."""
    kernel = shell.ask(["uname", "-r"]).strip()
    target = f"{REMOTE}/build/{kernel}/{HOOK}"
    shell.ask(["mkdir", "-p", f"{REMOTE}/build/{kernel}"])
    shell.put(module, f"{target}.unfinished")
    script = (
        f"cd {REMOTE}/build/{kernel} && cp {HOOK}.unfinished {HOOK}.ko && sync && "
        f"{{ {REMOTE}/kbuild/load.sh {HOOK}.ko port=0 || {{ rm -f {HOOK}.ko; false; }}; }}"
    )
    return shell.run(["sh", "-c", script]).status == 0


def provide_offsets(shell: Shell) -> None:
    """Write the offsets of a packet's fields, from the kernel's BTF, into a machine.

    For a kernel without BTF the file contains "none", so that it is not examined again.
    """
    line = " ".join(map(str, _offsets(shell) or ("none",)))
    shell.ask(["sh", "-c", f"mkdir -p {_BUILT} && echo {line} >{_BUILT}/{OFFSETS} && sync"])


def _offsets(shell: Shell) -> tuple[int, int, int] | None:
    kernel: btf.Btf | None = None
    for name in _DESCRIBED_IN:
        read = shell.run(["cat", f"/sys/kernel/btf/{name}"])
        if read.status != 0:
            return None
        try:
            types = btf.parse(read.stdout, kernel)
            kernel = kernel or types
            return offsets_by(types)
        except btf.BtfError:
            continue
    return None


def offsets_by(types: btf.Btf) -> tuple[int, int, int]:
    """Return the offsets of a packet's conntrack and data, and of the packet in a queue entry, in bytes.

    Raises:
        BtfError: the types lack one of them.
    """
    return (
        types.offset("sk_buff", "_nfct", "nfct"),
        types.offset("sk_buff", "data"),
        types.offset("nf_queue_entry", "skb"),
    )
