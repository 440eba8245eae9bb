"""The library that supplies sshd with random bytes on kernels without getrandom(2), in a test program."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab.foundation.home import PROVISION

PROGRAM = r"""
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

static void show(void)
{
	unsigned char bytes[16];
	size_t i;

	arc4random_buf(bytes, sizeof(bytes));
	for (i = 0; i < sizeof(bytes); i++)
		printf("%02x", bytes[i]);
	puts("");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *what = argv[1];
	unsigned char bytes[256];
	long i, count = atol(argv[2]);

	show();
	if (!strcmp(what, "forks")) {
		for (i = 0; i < count; i++) {
			if (fork() == 0) {
				show();
				exit(0);
			}
			wait(NULL);
			show();
		}
		return 0;
	}
	if (!strcmp(what, "uniform")) {
		for (i = 0; i < count; i++)
			printf("%u\n", arc4random_uniform(6));
		return 0;
	}
	/* As sshd does: some bytes beforehand, then all descriptors closed, and nothing there that could be opened. */
	closefrom(3);
	if (chroot(argv[3]) != 0 || chdir("/") != 0)
		return 3;
	for (i = 0; i < count; i += sizeof(bytes))
		if (getentropy(bytes, sizeof(bytes)) != 0)
			return 4;
	show();
	if (argc > 4)
		arc4random_buf(bytes, sizeof(bytes));
	return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the library as the guest does, and a program that uses it."""
    where = tmp_path_factory.mktemp("random")
    subprocess.run(["make", "-s", "-C", PROVISION / "image/login", f"DESTDIR={where}", "install"], check=True)
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-x", "c", "-o", where / "draw", "-"], input=PROGRAM, text=True, check=True)
    return where / "draw"


def draw(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program with the library."""
    library = program.parent / "usr/lib/lab-random.so"
    return subprocess.run(
        [program, *arguments], env={"LD_PRELOAD": str(library)}, capture_output=True, text=True, check=False
    )


def test_no_two_processes_draw_the_same_bytes(program: Path) -> None:
    """A child that continued its parent's byte stream would create the parent's keys."""
    values = draw(program, "forks", "50").stdout.split()

    assert len(values) == 101
    assert len(set(values)) == 101


def test_each_number_below_a_bound_is_drawn(program: Path) -> None:
    """No number at or above the bound is drawn."""
    values = draw(program, "uniform", "6000").stdout.split()[1:]

    assert {number: 800 < values.count(number) < 1200 for number in set(values)} == {str(n): True for n in range(6)}


@pytest.mark.skipif(os.geteuid() != 0, reason="the program changes its root directory")
def test_a_sandboxed_process_has_random_bytes(program: Path, tmp_path: Path) -> None:
    """It needs no descriptor or file any more; 4096 bytes are twice what a login takes."""
    result = draw(program, "shut-in", "4096", str(tmp_path))

    assert result.returncode == 0
    assert len(set(result.stdout.split())) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="the program changes its root directory")
def test_a_process_without_random_bytes_ends(program: Path, tmp_path: Path) -> None:
    """Weaker bytes are never substituted: getentropy fails and arc4random aborts."""
    assert draw(program, "shut-in", "9000", str(tmp_path)).returncode == 4
    aborted = draw(program, "shut-in", "7936", str(tmp_path), "more")

    assert aborted.returncode == -6
    assert "no bytes of it are left" in aborted.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="the program changes its root directory")
def test_a_file_in_place_of_the_kernels_device_is_not_read(program: Path, tmp_path: Path) -> None:
    """Anyone who can replace the device by a file would choose the keys."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/urandom").write_bytes(bytes(100_000))

    assert draw(program, "shut-in", "9000", str(tmp_path)).returncode == 4
