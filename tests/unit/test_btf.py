"""Packet field offsets from a kernel's own type information (BTF)."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.provision import btf
from lab.provision.hook import offsets_by

RECORDED = Path(__file__).parents[1] / "btf" / "7.2.13+deb14-cloud-amd64"

INT, STRUCT, UNION, TYPEDEF, CONST, ENUM64 = 1, 4, 5, 8, 10, 19


@dataclass
class Made:
    """BTF under construction: types by number, the first of the file is `first`."""

    first: int = 1
    strings: bytearray = field(default_factory=lambda: bytearray(b"\0"))
    types: bytearray = field(default_factory=bytearray)
    count: int = 0
    names_before: int = 0

    def name(self, text: str) -> int:
        """Add a name."""
        if not text:
            return 0
        self.strings += text.encode() + b"\0"
        return self.names_before + len(self.strings) - len(text) - 1

    def add(self, kind: int, name: str, of: int, *members: tuple[str, int, int], bitfields: bool = False) -> int:
        """Add a type; members are names, types and offsets in bits."""
        info = bitfields << 31 | kind << 24 | len(members)
        self.types += struct.pack("<III", self.name(name), info, of)
        if kind == INT:
            self.types += bytes(4)
        for member, its_type, offset in members:
            self.types += struct.pack("<III", self.name(member), its_type, offset)
        self.count += 1
        return self.first + self.count - 1

    @property
    def file(self) -> bytes:
        """Return the file's bytes."""
        header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self.types), len(self.types), len(self.strings))
        return header + self.types + self.strings


def test_offsets_of_a_real_kernel_are_those_its_compiler_chose() -> None:
    """Debian's 7.2.13: the offsets match those in a hook module built from its headers."""
    assert offsets_by(btf.parse(RECORDED.read_bytes())) == (104, 208, 24)


def test_a_member_of_an_anonymous_type_is_found() -> None:
    """The conntrack's address is in a structure in a union in struct sk_buff; type names do not matter."""
    types = Made()
    inner = types.add(STRUCT, "", 8, ("other", 0, 0), ("_nfct", 0, 32))
    constant = types.add(CONST, "", inner)
    union = types.add(UNION, "", 8, ("", constant, 0), ("headers", inner, 0))
    types.add(STRUCT, "elsewhere", 8, ("_nfct", 0, 8))
    types.add(STRUCT, "sk_buff", 32, ("first", 0, 0), ("", union, 64))

    assert btf.parse(types.file).offset("sk_buff", "_nfct") == 12


def test_members_of_a_named_member_are_not_found() -> None:
    """`skb->headers.data` is not `skb->data`."""
    types = Made()
    inner = types.add(STRUCT, "part", 8, ("data", 0, 0))
    types.add(STRUCT, "sk_buff", 16, ("headers", inner, 0), ("data", 0, 64))

    assert btf.parse(types.file).offset("sk_buff", "data") == 8


def test_bit_fields_beside_a_member_do_not_move_it() -> None:
    """In a structure with bit fields the upper byte of each offset is a width."""
    types = Made()
    types.add(STRUCT, "sk_buff", 16, ("flag", 0, 3 << 24 | 5), ("data", 0, 64), bitfields=True)

    assert btf.parse(types.file).offset("sk_buff", "data") == 8
    with pytest.raises(btf.BtfError, match="no flag"):
        btf.parse(types.file).offset("sk_buff", "flag")


def test_split_btf_of_a_module_extends_the_kernels() -> None:
    """Its numbers and names continue after the kernel's (split BTF)."""
    kernel = Made()
    inner = kernel.add(STRUCT, "", 16, ("skb", 0, 64))
    base = btf.parse(kernel.file)
    module = Made(first=kernel.count + 1, strings=bytearray(), names_before=len(kernel.strings))
    module.add(ENUM64, "colour", 8, ("red", 0, 0))
    module.add(STRUCT, "nf_queue_entry", 24, ("", inner, 64))

    assert btf.parse(module.file, base).offset("nf_queue_entry", "skb") == 16


def with_types_length(more: int) -> bytes:
    """Return the recorded file with another type length in its header (struct btf_header: linux/btf.h)."""
    content = bytearray(RECORDED.read_bytes())
    (length,) = struct.unpack_from("<I", content, 12)
    struct.pack_into("<I", content, 12, length + more)
    return bytes(content)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "truncated"),
        (b"\x7fELF" + bytes(40), "not BTF"),
        (RECORDED.read_bytes()[:-1], "truncated"),
        (with_types_length(-4), "truncated"),
        (Made().file, "no struct sk_buff"),
    ],
)
def test_invalid_btf_is_refused_with_the_reason(data: bytes, why: str) -> None:
    """The trace then omits the field; no wrong offset is read."""
    with pytest.raises(btf.BtfError, match=why):
        offsets_by(btf.parse(data))


def test_an_unknown_btf_kind_is_named() -> None:
    """Its length is unknown, so nothing after it can be parsed."""
    types = Made()
    types.add(25, "", 0)

    with pytest.raises(btf.BtfError, match="kind 25"):
        btf.parse(types.file)


def test_recursive_structures_terminate() -> None:
    """No compiler emits them, but a damaged file may have them."""
    types = Made()
    types.add(STRUCT, "sk_buff", 8, ("", 1, 0))
    types.add(TYPEDEF, "", 2)

    with pytest.raises(btf.BtfError, match="no data"):
        btf.parse(types.file).offset("sk_buff", "data")


def cut_off_in_its_last_type() -> bytes:
    """Return types whose last structure claims more members than the file has."""
    types = Made()
    types.add(STRUCT, "sk_buff", 8, ("first", 0, 0))
    content = bytearray(types.file)
    # The header's 24 bytes, the type's name, then the number of its members.
    struct.pack_into("<H", content, 24 + 4, 0xFFFF)
    return bytes(content)


def nested_deeper_than_any_compiler_does() -> bytes:
    """Return a chain of anonymous structures, each nested in the next one."""
    types = Made()
    types.add(STRUCT, "sk_buff", 8, ("", 2, 0))
    for number in range(3, 5000):
        types.add(STRUCT, "", 8, ("", number, 0))
    return types.file


@pytest.mark.parametrize("types", [cut_off_in_its_last_type, nested_deeper_than_any_compiler_does])
def test_btf_from_a_machine_never_crashes_the_lab(types: Callable[[], bytes]) -> None:
    """Any input is parsed or refused; every other error would be a traceback."""
    with pytest.raises(btf.BtfError):
        offsets_by(btf.parse(types()))


def test_unterminated_names_use_bounded_memory() -> None:
    """Otherwise each of a thousand types would have a name of a megabyte."""
    types = Made()
    types.strings += b"x" * 1_000_000
    for _ in range(1000):
        types.types += struct.pack("<IIII", 1, INT << 24, 4, 0)
    tracemalloc.start()
    try:
        with pytest.raises(btf.BtfError, match="name"):
            btf.parse(types.file)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < 20_000_000


@given(st.data())
def test_damaged_btf_is_parsed_or_refused(data: st.DataObject) -> None:
    """Any bytes give a result or a BtfError."""
    content = bytearray(RECORDED.read_bytes())
    for _ in range(data.draw(st.integers(0, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        offsets = offsets_by(btf.parse(cut if data.draw(st.booleans()) else bytes(content)))
    except btf.BtfError:
        return
    assert all(0 <= offset < 2**29 for offset in offsets)
