"""What a watch is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.endpoint.endpoint import Account
from lab.evidence.constants import DNS_PORT
from lab.foundation.errors import BadInput
from lab.foundation.files import write_whole

HERE = "this machine"


@dataclass(frozen=True)
class WatchRequest:
    """What is asked for.

    Attributes:
        account: The machine; None for this one.
        seconds: How long to watch; None for no limit.
        lookup: A name to look up; None for none.
        lookups: How often.
        ports: Ports of DNS servers.
        hide_names: Whether names are hashed.
        trace: Whether confirm is traced.
        save: A directory for the files of each stall; None for none.
        metrics: A file for Prometheus; None for none.
    """

    account: Account | None = None
    seconds: int | None = None
    lookup: str | None = None
    lookups: int = 1
    ports: tuple[int, ...] = (DNS_PORT,)
    hide_names: bool = False
    trace: bool = False
    save: Path | None = None
    metrics: Path | None = None

    @property
    def machine(self) -> str:
        """The machine's name in messages."""
        return self.account.machine if self.account else HERE

    def arguments(self, data_offset: int | None = None) -> list[str]:
        """Return the program's arguments.

        Args:
            data_offset: Offset of `data` in the machine's `struct sk_buff`, to trace confirm; None for no trace.
        """
        options = [part for port in self.ports for part in ("--port", str(port))]
        options += ["--no-names"] if self.hide_names else []
        options += ["--seconds", str(self.seconds)] if self.seconds else []
        options += ["--trace", str(data_offset)] if data_offset is not None else []
        return options + (["--lookup", self.lookup, "--lookups", str(self.lookups)] if self.lookup else [])

    def require_writable(self) -> None:
        """Check that what is to be stored can be.

        Raises:
            BadInput: the directory or file cannot be written.
        """
        try:
            if self.save:
                self.save.mkdir(parents=True, exist_ok=True)
            if self.metrics:
                write_whole(self.metrics, "")
        except OSError as error:
            raise BadInput(f"{error.filename or self.save} cannot be written: {error.strerror}") from error
