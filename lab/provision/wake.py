"""Brings a guest that slept back into the present: its clock, its randomness, and who is still connected."""

from __future__ import annotations

import secrets

from lab.ssh import Shell

_SEED_BYTES = 32

TIMEX = "L x4 q4 l x4 q3 q2 x120"
"""Perl's words for the struct timex of linux/timex.h on x86-64: modes, eight fields that stay 0, the time, and more."""

# In Perl, since every Debian has it and one process does it all. 159 is adjtimex(2) on x86-64; with ADJ_SETOFFSET
# (0x100, linux/timex.h) it moves the clock by an amount, so that nothing hangs on how long this takes to arrive.
# RNDRESEEDCRNG (0x5207, linux/random.h) has the kernel use at once what is written to /dev/urandom.
_SCRIPT = r"""
my ($layout, $seconds, $microseconds, $seed) = @ARGV;
my $timex = pack($layout, 0x100, (0) x 8, $seconds, $microseconds);
syscall(159, $timex) >= 0 or die "the clock: $!\n";
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


def wake(shell: Shell, behind_s: float) -> None:
    """Put the guest's clock right, give it randomness of its own, and end the connections it slept with.

    Two guests that go on from one state would otherwise draw the same "random" ports and ids.

    Args:
        shell: A connection to it, made since.
        behind_s: How far its clock is behind the host's, in seconds.

    Raises:
        BrokenEnvironment: it does not answer, or refused.
    """
    seconds, microseconds = divmod(round(behind_s * 1e6), 1_000_000)
    seed = secrets.token_hex(_SEED_BYTES)
    shell.ask(["perl", "-e", _SCRIPT, TIMEX, str(seconds), str(microseconds), seed])
