"""Brings a guest that slept back into the present: its clock, its randomness, and who is still connected."""

from __future__ import annotations

import secrets
import time

from lab.ssh import Shell

SEED_BYTES = 32

ON_THE_WAY_S = 0.06
"""From our look at the clock until the guest sets its own, on an idle machine under emulation; less under KVM."""

CLOSE_ENOUGH_S = 0.3
"""How long setting the clock may take: it cannot be further off than that."""

TRIES = 3
"""On a busy machine; the quickest is the last."""

# In Perl, since every Debian has it and one process does it all: 164 is settimeofday on x86-64, and RNDRESEEDCRNG
# (linux/random.h) has the kernel use at once what is written to /dev/urandom.
_SCRIPT = r"""
my ($seconds, $microseconds, $seed) = @ARGV;
syscall(164, pack("qq", $seconds, $microseconds), 0) == 0 or die "the clock: $!\n";
open(my $random, "+>", "/dev/urandom") or die "/dev/urandom: $!\n";
syswrite($random, pack("H*", $seed));
ioctl($random, 0x5207, 0) or die "/dev/urandom: $!\n";
my %own;
for (my $pid = $$; $pid > 1;) {
    $own{$pid} = 1;
    open(my $stat, "<", "/proc/$pid/stat") or last;
    $pid = (split(/ /, <$stat>))[3];
}
for my $pid (`pgrep -f '^sshd: root@'`) { kill("TERM", $pid + 0) unless $own{$pid + 0}; }
"""


def wake(shell: Shell) -> None:
    """Set the guest's clock to the host's, give it randomness of its own, and end the connections it slept with.

    Two guests that go on from one state would otherwise draw the same "random" ports and ids.

    Raises:
        BrokenEnvironment: it does not answer, or refused.
    """
    for _ in range(TRIES):
        sent = time.time()
        seconds, microseconds = divmod(round((sent + ON_THE_WAY_S) * 1e6), 1_000_000)
        seed = secrets.token_hex(SEED_BYTES)
        shell.ask(["perl", "-e", _SCRIPT, str(seconds), str(microseconds), seed])
        if time.time() - sent < CLOSE_ENOUGH_S:
            break
