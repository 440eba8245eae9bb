"""Reads version, dependencies and architecture from the headers of kernel images and modules.

Pure functions over bytes; for any content they return a result or raise `UnreadableError`.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

X86_64 = "x86_64"

_ELF_MACHINES = {
    3: "i386",
    8: "mips",
    20: "ppc",
    21: "ppc64",
    22: "s390x",
    40: "arm",
    62: X86_64,
    183: "aarch64",
    243: "riscv64",
    258: "loongarch64",
}
"""e_machine (elf.h, "EM_...")."""

_PE_MACHINES = {
    0x14C: "i386",
    0x1C0: "arm",
    0x8664: X86_64,
    0xAA64: "aarch64",
    0x5064: "riscv64",
    0x6264: "loongarch64",
}
"""Machine field of a COFF header, which kernels with an EFI stub have (PE format, "Machine Types")."""

_ELFCLASS64 = 2
"""From elf.h."""

_XLF_KERNEL_64 = 1
"""Bit 0 of xloadflags: there is a 64-bit entry point (Documentation/arch/x86/boot.rst, protocol 2.12)."""

_VERSION = re.compile(rb"[0-9]+\.[0-9]+[\x21-\x7e]{0,120}")


class HeaderError(Exception):
    """A file does not have the expected format."""


@dataclass(frozen=True)
class KernelImage:
    """Header of a kernel image.

    Attributes:
        architecture: As printed by `uname -m`.
        release: As printed by `uname -r`; None where the image does not contain it.
    """

    architecture: str
    release: str | None


@dataclass(frozen=True)
class Module:
    """Metadata of a module (its section `.modinfo`).

    Attributes:
        architecture: Architecture of its code.
        release: Kernel release it was built for (first word of `vermagic`); None where it is missing.
        depends: Names of the modules it needs.
        softly: Names or aliases of modules to be loaded before it (`softdep`, "pre:").
        aliases: Its aliases.
    """

    architecture: str
    release: str | None
    depends: tuple[str, ...]
    softly: tuple[str, ...]
    aliases: tuple[str, ...]


def image(content: bytes) -> KernelImage:
    """Parse a kernel image's header.

    Raises:
        UnreadableError: it is not a kernel image.
    """
    if content[0x202:0x206] == b"HdrS" and content[0x1FE:0x200] == b"\x55\xaa":
        return _bzimage(content)
    if content[:4] == b"\x7fELF":
        return KernelImage(_elf_machine(content), None)
    if content[:2] == b"MZ" and (machine := _pe_machine(content)):
        return KernelImage(machine, None)
    raise HeaderError("it is not a kernel image")


def module(content: bytes) -> Module:
    """Parse a module's header.

    Raises:
        UnreadableError: it is not a module.
    """
    fields = _modinfo(content)
    softly = [word for line in fields.get("softdep", []) for word in _before(line)]
    depends = [name for line in fields.get("depends", []) for name in line.split(",") if name]
    vermagic = next((line for line in fields.get("vermagic", [])), "").split()
    return Module(
        architecture=_elf_machine(content),
        release=vermagic[0] if vermagic else None,
        depends=tuple(plain(name) for name in depends),
        softly=tuple(softly),
        aliases=tuple(fields.get("alias", [])),
    )


def plain(name: str) -> str:
    """Return the kernel's name of a module, given a name or file name: without suffix, with underscores."""
    return name.split(".", 1)[0].replace("-", "_")


def has_debug_information(content: bytes) -> bool:
    """Return whether a module has debug information, which makes it ten times as large."""
    try:
        return any(name.startswith(b".debug_") for name, _, _ in _sections(content))
    except (HeaderError, struct.error, OverflowError):
        return False


def _bzimage(content: bytes) -> KernelImage:
    """Parse a bzImage by the boot protocol: Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header"."""
    if len(content) < 0x264:  # noqa: PLR2004  the end of that header
        raise HeaderError("the kernel image is truncated")
    protocol, version_at = struct.unpack_from("<H", content, 0x206)[0], struct.unpack_from("<H", content, 0x20E)[0]
    flags = struct.unpack_from("<H", content, 0x236)[0] if protocol >= 0x20C else _XLF_KERNEL_64  # noqa: PLR2004
    version = _VERSION.match(content, version_at + 0x200) if version_at else None
    architecture = X86_64 if flags & _XLF_KERNEL_64 else "i386"
    return KernelImage(architecture, version[0].decode("ascii") if version else None)


def _pe_machine(content: bytes) -> str | None:
    try:
        at = struct.unpack_from("<I", content, 0x3C)[0]
        if content[at : at + 4] != b"PE\0\0":
            return None
        return _PE_MACHINES.get(struct.unpack_from("<H", content, at + 4)[0], "another architecture")
    except struct.error:
        return None


def _elf_machine(content: bytes) -> str:
    try:
        order = "<" if content[5] == 1 else ">"
        machine: int = struct.unpack_from(f"{order}H", content, 18)[0]
    except (IndexError, struct.error) as error:
        raise HeaderError("its ELF header is truncated") from error
    return _ELF_MACHINES.get(machine, f"architecture {machine}")


def _modinfo(content: bytes) -> dict[str, list[str]]:
    """Return the fields of a module's `.modinfo`: `NAME=VALUE` strings, each terminated by a zero byte."""
    fields: dict[str, list[str]] = {}
    try:
        where = next(((at, size) for name, at, size in _sections(content) if name == b".modinfo"), None)
    except (struct.error, OverflowError) as error:
        raise HeaderError("it is truncated") from error
    if where is None:
        raise HeaderError("it is not a kernel module")
    for line in content[where[0] : where[0] + where[1]].split(b"\0"):
        name, equals, value = line.decode("utf-8", "replace").partition("=")
        if equals:
            fields.setdefault(name, []).append(value)
    return fields


def _sections(content: bytes) -> list[tuple[bytes, int, int]]:
    """Return name, offset and size of each section of an ELF file (elf(5), "Section header")."""
    if content[:4] != b"\x7fELF" or len(content) < 0x40:  # noqa: PLR2004  the size of a 64-bit header
        raise HeaderError("it is not an ELF file")
    order = "<" if content[5] == 1 else ">"
    wide = content[4] == _ELFCLASS64
    table_at = struct.unpack_from(f"{order}Q" if wide else f"{order}I", content, 0x28 if wide else 0x20)[0]
    entry_size, count, names_index = struct.unpack_from(f"{order}HHH", content, 0x3A if wide else 0x2E)
    headers = []
    for index in range(count):
        at = table_at + index * entry_size
        name_at = struct.unpack_from(f"{order}I", content, at)[0]
        where = struct.unpack_from(f"{order}QQ" if wide else f"{order}II", content, at + (0x18 if wide else 0x10))
        headers.append((name_at, *where))
    if names_index >= len(headers):
        return []
    names_at, names_size = headers[names_index][1:]
    names = content[names_at : names_at + names_size]
    return [(names[name_at:].split(b"\0", 1)[0], at, size) for name_at, at, size in headers]


def _before(softdep: str) -> list[str]:
    """Return the "pre:" part of a soft dependency (modprobe.d(5))."""
    words, wanted, names = softdep.split(), False, []
    for word in words:
        if word in ("pre:", "post:"):
            wanted = word == "pre:"
        elif wanted:
            names.append(word)
    return names
