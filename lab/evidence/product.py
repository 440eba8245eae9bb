"""What a product did during a trial: its output, its end, and the kernel's list of queues before and after."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.evidence import nfqueue
from lab.evidence.errors import UnreadableError
from lab.evidence.fields import parse_integer
from lab.evidence.nfqueue import QueueRow
from lab.foundation.printable import printable

_COLOUR = re.compile(r"\x1b\[[0-9;]{0,20}m")
"""A terminal's colours (ECMA-48, SGR), which many products print even into a file."""

STATUS_MAX = 255
"""Of a process: wait(2)."""

LINE_MAX = 200
"""A line of a product's output is cut here where it is quoted."""


@dataclass(frozen=True)
class ProductLook:
    """A product in a trial.

    Attributes:
        failure: Why it did not start, in words of provision/guest/agent.sh; None when it did.
        exit_status: Its exit status at the trial's end; None while it runs.
        output: The last lines of its output, printable.
        before: The queues in the lane before the trial; None when the list is missing.
        after: ... and after it.
    """

    failure: str | None
    exit_status: int | None
    output: tuple[str, ...]
    before: tuple[QueueRow, ...] | None
    after: tuple[QueueRow, ...] | None

    def last_lines(self, count: int) -> str:
        """Return the last lines of its output on one line; empty without output."""
        return " | ".join(self.output[-count:])

    def queued(self, numbers: tuple[int, ...]) -> int | None:
        """Return how many packets came to these queues during the trial; None when it is unknown."""
        if self.before is None or self.after is None:
            return None
        counts = {row.queue: row.sequence for row in self.before}
        return sum(max(0, row.sequence - counts.get(row.queue, 0)) for row in self.after if row.queue in numbers)

    def left(self, numbers: tuple[int, ...]) -> tuple[int, ...]:
        """Return those of these queues that the product listened to before the trial, and not after it."""
        before, after = (frozenset(row.queue for row in rows or ()) for rows in (self.before, self.after))
        return tuple(number for number in numbers if number in before - after) if self.after is not None else ()


def parse(
    *, failure: str | None, status: str | None, output: str, before: str | None, after: str | None
) -> ProductLook:
    """Parse the files that provision/guest/agent.sh writes in a trial.

    Args:
        failure: `agent.failed`; None when there is none.
        status: `agent.status`; None when there is none.
        output: `agent.log`.
        before: `queues.before`; None when there is none.
        after: `queues.after`; None when there is none.

    Raises:
        UnreadableError: the exit status is none, or a list has other lines than queues.
    """
    try:
        exit_status = None if status is None else parse_integer(status.strip(), STATUS_MAX)
    except ValueError as error:
        raise UnreadableError(f"agent.status is no exit status: {status!r}") from error
    return ProductLook(
        failure=None if failure is None else printable(failure.strip()),
        exit_status=exit_status,
        output=tuple(printable(line)[:LINE_MAX] for line in _COLOUR.sub("", output).splitlines() if line.strip()),
        before=None if before is None else _rows("queues.before", before),
        after=None if after is None else _rows("queues.after", after),
    )


def _rows(name: str, text: str) -> tuple[QueueRow, ...]:
    lines = list(enumerate(text.splitlines(), start=1))
    odd = next((line for _, line in lines if not nfqueue.is_line(line)), None)
    if odd is not None:
        raise UnreadableError(f"{name} has a line that is no queue: {odd!r}")
    return nfqueue.parse(lines)
