"""Looks up member offsets of kernel structures in BTF (Documentation/bpf/btf.rst)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

MAGIC = 0xEB9F
"""BTF_MAGIC (linux/btf.h)."""

_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")
_MEMBER = struct.Struct("<III")

_STRUCT, _UNION = 4, 5
_MODIFIERS = frozenset({8, 9, 10, 11, 18})
"""BTF_KIND_TYPEDEF, _VOLATILE, _CONST, _RESTRICT and _TYPE_TAG: `type` is the underlying type."""

_FIXED = {1: 4, 2: 0, 3: 12, 7: 0, 8: 0, 9: 0, 10: 0, 11: 0, 12: 0, 14: 4, 16: 0, 17: 4, 18: 0}
"""Bytes that follow a type of each kind, from integers to type tags."""

_EACH = {_STRUCT: 12, _UNION: 12, 6: 8, 13: 8, 15: 12, 19: 12}
"""Bytes that follow for each member, value or parameter of the type."""

_QUALIFIERS = 16
"""Most qualifiers before a type: `const volatile`, and typedefs of typedefs."""

_NESTED = 16
"""Most nested anonymous structures and unions."""

_NAME_BYTES = 512
"""KSYM_NAME_LEN (linux/kallsyms.h), the limit of the kernel's own reader; it was 128 before 6.1."""

_FILE_BYTES = 64 << 20
"""Size limit: ten times the size of Debian's kernels' BTF."""


class BtfError(Exception):
    """The data is not BTF, or does not contain the requested member."""


@dataclass(frozen=True)
class _Type:
    name: str
    kind: int
    of: int
    members: int
    count: int
    has_bitfields: bool


@dataclass(frozen=True)
class Btf:
    """The types described by a kernel or one of its modules.

    Attributes:
        data: The file's bytes.
        types: Types by number; a module's follow the kernel's.
        strings: Type names; a module's follow the kernel's.
    """

    data: bytes
    types: tuple[_Type, ...]
    strings: bytes
    base: Btf | None = field(default=None, repr=False)

    def offset(self, structure: str, *members: str) -> int:
        """Return the offset of a structure's member in bytes, also within an anonymous part of it.

        Args:
            structure: The structure's name.
            members: Names of the member, which differ between kernels; the structure has one of them.

        Raises:
            BtfError: there is no such structure, or it has no such member at a byte boundary.
        """
        numbers = [number for number, one in enumerate(self.types) if one.kind == _STRUCT and one.name == structure]
        for number in numbers:
            bits = self._bits(number, members, set(), 0)
            if bits is not None and bits % 8 == 0:
                return bits // 8
        raise BtfError(f"struct {structure} has no {' or '.join(members)}" if numbers else f"no struct {structure}")

    def _bits(self, number: int, names: tuple[str, ...], without: set[int], depth: int) -> int | None:
        """Return the offset of a member in a structure or union, in bits; None if it has none of these names.

        Args:
            number: Number of the structure or union.
            names: The names.
            without: Types already searched without success.
            depth: Nesting depth.
        """
        number = self._plain(number)
        if number >= len(self.types) or number in without or depth > _NESTED:
            return None
        without.add(number)
        whole = self.types[number]
        if whole.kind not in {_STRUCT, _UNION}:
            return None
        data = self._data_of(number)
        for index in range(whole.count):
            name_at, of, offset = _MEMBER.unpack_from(data, whole.members + index * _MEMBER.size)
            # With bit-fields in the structure, the upper byte is the member's size in bits.
            begins = int(offset & 0xFFFFFF if whole.has_bitfields else offset)
            name = _string(self.strings, name_at)
            if name in names:
                return begins
            inner = self._bits(of, names, without, depth + 1) if not name else None
            if inner is not None:
                return begins + inner
        return None

    def _plain(self, number: int) -> int:
        for _ in range(_QUALIFIERS):
            if number >= len(self.types) or self.types[number].kind not in _MODIFIERS:
                break
            number = self.types[number].of
        return number

    def _data_of(self, number: int) -> bytes:
        in_base = self.base is not None and number < len(self.base.types)
        return self.base.data if in_base and self.base else self.data


def parse(data: bytes, base: Btf | None = None) -> Btf:
    """Parse `/sys/kernel/btf/vmlinux`, or with that as base the BTF of a module.

    Raises:
        BtfError: it is not BTF, or is truncated.
    """
    if len(data) > _FILE_BYTES:
        raise BtfError("the BTF is larger than any kernel's")
    try:
        magic, _version, _flags, length, types_at, types_length, names_at, names_length = _HEADER.unpack_from(data)
        if magic != MAGIC:
            raise BtfError("this is not BTF of a little-endian machine")
        end = length + types_at + types_length
        strings = (base.strings if base else b"") + data[length + names_at : length + names_at + names_length]
        if max(end, length + names_at + names_length) > len(data):
            raise BtfError("the BTF is truncated")
        # Number 0 is "void", and is not in the file.
        types = list(base.types) if base else [_Type("", 0, 0, 0, 0, has_bitfields=False)]
        at = length + types_at
        while at < end:
            types.append(_type(data, at, strings))
            at = types[-1].members + _behind(types[-1])
        if at > end:
            raise BtfError("the BTF is truncated")
    except struct.error as error:
        raise BtfError("the BTF is truncated") from error
    return Btf(data, tuple(types), strings, base)


def _type(data: bytes, at: int, strings: bytes) -> _Type:
    name_at, info, of = _TYPE.unpack_from(data, at)
    kind = info >> 24 & 0x1F
    return _Type(_string(strings, name_at), kind, of, at + _TYPE.size, info & 0xFFFF, has_bitfields=bool(info >> 31))


def _behind(one: _Type) -> int:
    if one.kind in _EACH:
        return _EACH[one.kind] * one.count
    if one.kind not in _FIXED:
        raise BtfError(f"the BTF has types of kind {one.kind}, which is unknown")
    return _FIXED[one.kind]


def _string(strings: bytes, at: int) -> str:
    end = strings.find(b"\0", at, at + _NAME_BYTES)
    if end < 0:
        raise BtfError("the BTF has an unterminated name")
    return strings[at:end].decode("utf-8", "replace")
