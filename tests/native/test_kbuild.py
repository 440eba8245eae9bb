"""Modules for kernels built by another compiler: the compiler wrappers, and modules built from real headers."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.foundation.home import PROVISION

KBUILD = PROVISION / "kbuild"

PC32, PLT32 = 2, 4
"""R_X86_64_PC32 and R_X86_64_PLT32 (elf.h)."""


@pytest.fixture(scope="session")
def plt32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the program outside of the source directory, with warnings as errors."""
    directory = tmp_path_factory.mktemp("plt32")
    shutil.copytree(KBUILD, directory, dirs_exist_ok=True)
    environment = os.environ | {"CFLAGS": "-Werror -fsanitize=address,undefined -fno-sanitize-recover=all"}
    subprocess.run(["make", "-s", "-B", "-C", directory], check=True, env=environment)
    return directory / "plt32"


@pytest.fixture(scope="session")
def headers() -> Path:
    """Return the headers of a kernel installed here."""
    path = sorted(Path("/usr/src").glob("linux-headers-6.1.*-cloud-amd64"))
    assert path, "there are no headers of Debian's kernel: make setup-tests"
    return path[-1]


def compiled(where: Path, source: str, *flags: str) -> Path:
    """Compile a source to an object file."""
    path = where / "one.o"
    command: list[str | Path] = ["gcc", "-c", "-x", "c", "-", "-o", path, "-fno-pie", *flags]
    subprocess.run(command, input=source.encode(), check=True)
    return path


def relocations(path: Path) -> str:
    """Return an object's relocations as text."""
    return subprocess.run(["readelf", "-rW", path], capture_output=True, text=True, check=True).stdout


def by_cc(*arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Call the wrapper for a kernel's compiler, with extra environment variables."""
    command: list[str | Path] = [KBUILD / "cc.sh", *arguments]
    return subprocess.run(command, input="", env=os.environ | more, capture_output=True, text=True, check=False)


def test_calls_get_relocations_that_loaders_before_4_16_know(plt32: Path, tmp_path: Path) -> None:
    """Such a loader reports "Unknown rela relocation: 4"; for later ones both types are the same."""
    path = compiled(tmp_path, "extern int other(int), seen; int one(int n) { return other(n) + seen; }")
    before, content = relocations(path), path.read_bytes()
    assert "R_X86_64_PLT32" in before

    result = subprocess.run([plt32, path], capture_output=True, text=True, check=True)

    assert result.stdout == "plt32: 1 calls\n"
    expected = before.replace("R_X86_64_PLT32 ", "R_X86_64_PC32  ").replace("0000000004 R_X86_64_PC32  ", "")
    assert relocations(path).split() == [
        word[:-1] + "2" if word.endswith("00000004") and len(word) == 16 else word for word in expected.split()
    ]
    changed = [at for at, (old, new) in enumerate(zip(content, path.read_bytes(), strict=True)) if old != new]
    assert [(content[at], path.read_bytes()[at]) for at in changed] == [(PLT32, PC32)]
    assert "0 calls" in subprocess.run([plt32, path], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("content", [b"", b"text", b"\x7fELF" + bytes(60), b"\x7fELF\x01\x01" + bytes(200)])
def test_a_file_that_is_no_module_of_this_architecture_is_refused_unchanged(
    plt32: Path, tmp_path: Path, content: bytes
) -> None:
    """Nothing is written to the file."""
    path = tmp_path / "none.ko"
    path.write_bytes(content)

    assert subprocess.run([plt32, path], capture_output=True, check=False).returncode == 3
    assert path.read_bytes() == content


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_module_is_never_read_beyond_its_end(
    plt32: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Sanitizers stop any read beyond the end, whatever the headers say."""
    directory = tmp_path_factory.mktemp("damaged")
    path = compiled(directory, "extern int other(int); int one(int n) { return other(n); }")
    content = bytearray(path.read_bytes())
    (sections_at,) = struct.unpack_from("<Q", content, 40)
    places = st.one_of(st.integers(0, 63), st.integers(sections_at, len(content) - 1))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(places)] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])

    result = subprocess.run([plt32, path], capture_output=True, text=True, check=False)

    assert result.returncode in {0, 3}, result.stderr
    assert "Sanitizer" not in result.stderr
    assert "runtime error" not in result.stderr


def test_options_unknown_to_gcc_are_left_out(tmp_path: Path) -> None:
    """Options of a newer compiler come from a kernel's .config; known ones are kept."""
    source = tmp_path / "one.c"
    source.write_text("int one(void) { return ONE; }\n")
    known = ["-DONE=1", '-DNAME="a b"', "-O2"]

    result = by_cc(
        *known, "-fmin-function-alignment=16", "-Werror", "-fno-such-thing", "-c", source, "-o", tmp_path / "o"
    )

    assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "o").exists()


@pytest.mark.parametrize("where", [["/dev/null"], ["-"]])
def test_option_probes_get_gccs_own_answer(tmp_path: Path, where: list[str]) -> None:
    """Makefiles probe for an option (cc-option in scripts/Makefile.compiler) and choose another one."""
    ask: list[str | Path] = ["-c", "-x", "c", *where, "-o", tmp_path / "o"]

    assert by_cc("-Werror", "-fmin-function-alignment=16", *ask).returncode != 0
    assert by_cc("-Werror", "-fno-strict-aliasing", *ask).returncode == 0


def test_warnings_do_not_end_a_compilation_but_errors_do(tmp_path: Path) -> None:
    """This holds whether the makefile turns all warnings into errors or some."""
    source = tmp_path / "one.c"
    source.write_text("int one(void) { int unused; return 1; }\n")
    flags: list[str | Path] = ["-Wall", "-Werror", "-Werror=unused-variable", "-c", source, "-o", tmp_path / "o"]
    warned = by_cc(*flags)
    source.write_text("int one(void) { return missing; }\n")
    failed = by_cc(*flags)

    assert (warned.returncode, "warning: unused variable" in warned.stderr) == (0, True)
    assert failed.returncode != 0
    assert "'missing' undeclared" in failed.stderr


def test_implicit_declarations_stay_errors(tmp_path: Path) -> None:
    """A call of an undeclared function would truncate the pointer that it returns."""
    source = tmp_path / "one.c"
    source.write_text("char *one(void) { return (char *)missing(); }\n")

    result = by_cc("-Werror=implicit-function-declaration", "-c", source, "-o", tmp_path / "o")

    assert result.returncode != 0
    assert "implicit declaration of function 'missing'" in result.stderr


def test_an_unknown_option_that_is_part_of_an_argument_ends_the_compilation(tmp_path: Path) -> None:
    """It cannot be left out, and endless attempts would hang the machine's setup."""
    source = tmp_path / "one.c"
    source.write_text("int one;\n")
    command: list[str | Path] = [KBUILD / "cc.sh", "-fno-such-thing", "-Wp,-foo", "-c", source, "-o", tmp_path / "o"]

    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

    assert result.returncode != 0
    assert "unrecognized command-line option '-foo'" in result.stderr


def test_gccs_defaults_are_off_and_the_kernels_options_are_on(tmp_path: Path) -> None:
    """Debian's gcc makes position-independent code; the stack protector is on only where the kernel asks for it."""
    source = tmp_path / "one.c"
    source.write_text("void use(char *); void one(void) { char text[64]; use(text); }\n")
    plain, guarded = tmp_path / "plain.s", tmp_path / "guarded.s"

    assert by_cc("-mcmodel=kernel", "-S", source, "-o", plain).returncode == 0
    assert by_cc("-mcmodel=kernel", "-fstack-protector-all", "-S", source, "-o", guarded).returncode == 0

    assert "__stack_chk_fail" not in plain.read_text()
    assert "__stack_chk_fail" in guarded.read_text()


@pytest.mark.parametrize("own", [False, True])
def test_a_tree_without_this_gccs_header_gets_its_newest_compiler_header(tmp_path: Path, own: bool) -> None:  # noqa: FBT001  whether it has its own
    """3.10 has only linux/compiler-gcc3.h and -gcc4.h; a tree with a header for this gcc keeps it."""
    version = subprocess.run(["gcc", "-dumpversion"], capture_output=True, text=True, check=True).stdout.split(".")[0]
    include = tmp_path / "include" / "linux"
    include.mkdir(parents=True)
    for number in ("3", "4", *([version.strip()] if own else [])):
        (include / f"compiler-gcc{number}.h").write_text(f"#define FOR {number}\n")
    source = tmp_path / "one.c"
    source.write_text(f"#include <linux/compiler-gcc{version.strip()}.h>\nint one = FOR;\n")

    shim = tmp_path / "shim"
    result = by_cc(f"-I{include.parent}", "-MD", "-S", source, "-o", tmp_path / "one.s", LAB_SHIM=str(shim))

    assert result.returncode == 0, result.stderr
    # fixdep reads all of them again after the compiler has ended.
    headers = (tmp_path / "one.d").read_text().replace("\\\n", " ").split()[2:]
    assert all(Path(header).exists() for header in headers)
    assert f".long\t{version.strip() if own else 4}" in (tmp_path / "one.s").read_text()


def another_compiler_s(headers: Path, where: Path, *, tools_run: bool) -> Path:
    """Return the headers as another compiler's build would leave them: its name and an option unknown here."""
    tree = where / "headers"
    tree.mkdir()
    for path in headers.iterdir():
        (tree / path.name).symlink_to(path)
    variables = tree / ".kernelvariables"
    content = variables.read_text()
    variables.unlink()
    variables.write_text(content.replace("gcc-12", "gcc-99") + "override KCFLAGS += -fmin-function-alignment=16\n")
    if not tools_run:
        for name, program in (("scripts", "mod/modpost"), ("tools", "objtool/objtool")):
            (tree / name).unlink()
            shutil.copytree(headers / name, tree / name, symlinks=True)
            for path in (tree / name / program).parent.glob(f"{Path(program).name}*"):
                path.unlink()
            wants_a_library(tree / name / program)
    return tree


def wants_a_library(program: Path) -> None:
    """Create a program that does not start because a library is missing."""
    library = program.with_name("libgone.so")
    subprocess.run(["gcc", "-shared", "-x", "c", "-", "-o", library], input=b"int gone(void) { return 0; }", check=True)
    source = b"int gone(void); int main(void) { return gone(); }"
    subprocess.run(["gcc", "-x", "c", "-", "-x", "none", library, "-o", program], input=source, check=True)
    library.unlink()


def built(where: Path, tree: Path, plt32: Path, module: str = "nfqdns") -> subprocess.CompletedProcess[str]:
    """Build a module as in a guest, from a copy of the sources."""
    lab = where / "lab"
    for name in ("kbuild", module):
        if not (lab / name).exists():
            shutil.copytree(PROVISION / name, lab / name)
    (lab / "build").mkdir()
    shutil.copy(plt32, lab / "build" / "plt32")
    # MAKEFLAGS are those of a make that runs these tests.
    environment = {key: value for key, value in os.environ.items() if key != "MAKEFLAGS"} | {"KDIR": str(tree)}
    command: list[str | Path] = [lab / "kbuild" / "module.sh", module, "there"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


FIELDS = ("vermagic", "depends", "parm", "name", "license", "retpoline")
"""Modinfo fields that a loader or a person reads (modinfo(8))."""


def modinfo_of(module: Path, name: str) -> str:
    """Return one field of a module's modinfo."""
    command: list[str | Path] = ["modinfo", "-F", name, module]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def versions_of(module: Path) -> dict[str, str]:
    """Return the CRCs that a module expects of the symbols it needs."""
    command: list[str | Path] = ["modprobe", "--dump-modversions", module]
    dumped = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {symbol: version for version, symbol in (line.split() for line in dumped.splitlines() if line.strip())}


@pytest.mark.parametrize("module", ["nfqdns", "ctrewind"])
@pytest.mark.parametrize("tools_run", [True, False])
def test_a_module_built_for_another_compilers_kernel_matches_a_native_one(
    headers: Path,
    plt32: Path,
    tmp_path: Path,
    module: str,
    tools_run: bool,  # noqa: FBT001  one way or the other
) -> None:
    """This holds whether that kernel's build tools run here or need a newer C library."""
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    assert built(own, headers, plt32, module).stderr == ""

    result = built(other, another_compiler_s(headers, other, tools_run=tools_run), plt32, module)

    assert result.stderr == ""
    expected, actual = (where / "lab/build/there" / f"{module}.ko" for where in (own, other))
    assert {name: modinfo_of(actual, name) for name in FIELDS} == {name: modinfo_of(expected, name) for name in FIELDS}
    # Without objtool no return thunk has to be turned back into a return.
    assert versions_of(expected).items() >= versions_of(actual).items()
    assert versions_of(expected).keys() - versions_of(actual).keys() <= {"__x86_return_thunk"}
    assert "R_X86_64_PLT32" not in relocations(actual)
    assert [path.name for path in actual.parent.iterdir()] == [actual.name]


def test_a_failed_module_build_reports_the_first_error(headers: Path, plt32: Path, tmp_path: Path) -> None:
    """The last line is make's own and only says that something failed."""
    tree = another_compiler_s(headers, tmp_path, tools_run=True)
    broken = tmp_path / "broken"
    broken.mkdir()
    (tree / "include").unlink()
    shutil.copytree(headers / "include", tree / "include")
    with (tree / "include/generated/autoconf.h").open("a") as configuration:
        configuration.write("#error this tree is not whole\n")

    result = built(broken, tree, plt32)

    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("nfqdns: ")
    assert line.endswith("error: #error this tree is not whole")
    assert {path.name for path in (broken / "lab/build/there").iterdir()} == {"nfqdns.log"}


def test_a_kernel_with_the_randstruct_plugin_needs_it_for_module_builds(
    headers: Path, plt32: Path, tmp_path: Path
) -> None:
    """Without the plugin the module would read other fields than it names."""
    tree = another_compiler_s(headers, tmp_path, tools_run=True)
    (tree / "include").unlink()
    shutil.copytree(headers / "include", tree / "include")
    with (tree / "include/generated/autoconf.h").open("a") as configuration:
        configuration.write("#define CONFIG_GCC_PLUGIN_RANDSTRUCT 1\n")
    with (tree / "include/config/auto.conf").open("a") as configuration:
        configuration.write("CONFIG_GCC_PLUGINS=y\nCONFIG_RANDSTRUCT=y\nCONFIG_GCC_PLUGIN_RANDSTRUCT=y\n")

    result = built(tmp_path, tree, plt32)

    assert result.returncode == 1
    assert "plugin" in result.stderr
    assert not list((tmp_path / "lab/build/there").glob("*.ko"))


@pytest.mark.parametrize("tools_run", [True, False])
def test_a_static_branch_that_needs_objtool_is_refused_without_it(
    headers: Path,
    plt32: Path,
    tmp_path: Path,
    tools_run: bool,  # noqa: FBT001  one way or the other
) -> None:
    """From 5.18 on a branch is compiled as taken: such a module would load and run the wrong code."""
    sources = tmp_path / "lab" / "branches"
    sources.mkdir(parents=True)
    (sources / "Makefile").write_text("obj-m := branches.o\nall:\n\t$(MAKE) -C $(KDIR) M=$(CURDIR) modules\n")
    (sources / "branches.c").write_text(
        "#include <linux/jump_label.h>\n#include <linux/module.h>\nDEFINE_STATIC_KEY_FALSE(never);\n"
        "static int __init start(void)\n{\n\tif (static_branch_unlikely(&never))\n\t\treturn -EINVAL;\n\treturn 0;\n}\n"
        'module_init(start);\nMODULE_DESCRIPTION("branches");\nMODULE_LICENSE("GPL");\n'
    )

    result = built(tmp_path, another_compiler_s(headers, tmp_path, tools_run=tools_run), plt32, "branches")

    assert result.returncode == (0 if tools_run else 1)
    assert ("static branches" in result.stderr) != tools_run


def test_modules_compile_without_the_kernels_extra_warnings(headers: Path, tmp_path: Path) -> None:
    """All extra warnings are errors here; in a guest they would pass unnoticed."""
    for module in ("nfqdns", "ctrewind"):
        shutil.copytree(PROVISION / module, tmp_path / module)
        command = ["make", "-C", str(tmp_path / module), f"KDIR={headers}", "W=1", "KCFLAGS=-Werror"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
