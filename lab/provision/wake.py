"""Refreshes a restored guest: sets its clock, reseeds its random number generator, and closes old connections."""

from __future__ import annotations

import secrets

from lab.endpoint.ssh import Shell

_SEED_BYTES = 32

TIMEX = "L x4 q4 l x4 q3 q2 x120"
"""Perl's pack template for struct timex (linux/timex.h) on x86-64: modes, eight fields of 0, the time, the rest."""

# Perl is in every Debian and does it all in one process. 159 is adjtimex(2) on x86-64; with ADJ_SETOFFSET (0x100,
# linux/timex.h) it shifts the clock by an amount, so that the delay of this command does not matter.
# RNDRESEEDCRNG (0x5207, linux/random.h) makes the kernel use data written to /dev/urandom at once. Kernels before 4.17
# lack it (EINVAL, 22): those before 4.8 use the data without it, and those between mix the processor's randomness
# (RDRAND, which QEMU has) into all output.
_SCRIPT = r"""
my ($layout, $seconds, $microseconds, $seed) = @ARGV;
my $timex = pack($layout, 0x100, (0) x 8, $seconds, $microseconds);
syscall(159, $timex) >= 0 or die "the clock: $!\n";
open(my $random, "+>", "/dev/urandom") or die "/dev/urandom: $!\n";
syswrite($random, pack("H*", $seed));
ioctl($random, 0x5207, 0) or $! == 22 or die "/dev/urandom: $!\n";
my %own;
for (my $pid = $$; $pid > 1;) {
    $own{$pid} = 1;
    open(my $stat, "<", "/proc/$pid/stat") or last;
    $pid = (split(/ /, <$stat>))[3];
}
for my $pid (`pgrep -f '^sshd: root@'`) { kill("TERM", $pid + 0) unless $own{$pid + 0}; }
"""


def wake(shell: Shell, behind_s: float) -> None:
    """Set the guest's clock, reseed its RNG, and close the connections that were open at the snapshot.

    Two guests restored from one snapshot would otherwise draw the same "random" ports and ids.

    Args:
        shell: A connection opened after the restore.
        behind_s: By how many seconds its clock is behind the host's.

    Raises:
        BrokenEnvironment: it does not answer, or the script failed.
    """
    seconds, microseconds = divmod(round(behind_s * 1e6), 1_000_000)
    seed = secrets.token_hex(_SEED_BYTES)
    shell.ask(["perl", "-e", _SCRIPT, TIMEX, str(seconds), str(microseconds), seed])
