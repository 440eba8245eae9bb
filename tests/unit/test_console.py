"""Why a guest did not boot, in the words of its console."""

from __future__ import annotations

import pytest

from lab.provider import console
from lab.provider.console import Ending


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (
            "[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs\n[    1.3] CPU: 0\n",
            "the kernel panicked: VFS: Unable to mount root fs",
        ),
        ("lab: no disk found\r\n", "no disk found"),
        ("\n\nXZ-compressed data is corrupt\n\n -- System halted", "XZ-compressed data is corrupt"),
        ("Server listening on :: port 22.\n", None),
        ("", None),
    ],
)
def test_a_failed_boot_is_reported_with_the_kernels_message(message: str, why: str | None) -> None:
    """The last lines of a stack trace are not useful."""
    assert console.last_words(message) == why


@pytest.mark.parametrize(
    ("text", "ending", "why", "help_"),
    [
        ("", Ending(2.4, by_itself=True), "QEMU exited after 2 s, and its console stayed empty", "LAB_ACCEL"),
        (
            "\r\n",
            Ending(120.1, by_itself=False),
            "QEMU was stopped after 120 s, and its console stayed empty",
            "SERIAL",
        ),
        ("udhcpc: started\n", Ending(9.0, by_itself=True), "QEMU exited after 9 s; sshd did not listen", None),
        ("lab: no disk found\n", Ending(9.0, by_itself=True), "no disk found", None),
    ],
)
def test_a_silent_failed_boot_is_reported_by_how_it_ended(
    text: str, ending: Ending, why: str, help_: str | None
) -> None:
    """There is no point in referring users to an empty console."""
    message, hint = console.failure(text, ending)

    assert message.startswith(why)
    assert help_ in (hint or "") if help_ else hint is None
