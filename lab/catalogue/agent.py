"""A program that a scenario brings along, and the kind of it that queues packets: a product under study."""

from __future__ import annotations

import base64
import zlib
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from lab.catalogue.document import Model

MOST_BYTES = 1_000_000
"""Of a file that a product needs: it is stored with every run."""

OFF_LIMITS = ("/dev", "/opt/lab", "/proc", "/run", "/sys")
"""Where no file of a product can be put: none is on the machine's disk, and /opt/lab is the lab's own."""

WAIT_S = 30
"""Default timeout of a product's start."""


def _absolute(path: str) -> str:
    pure = PurePosixPath(path)
    if ".." in pure.parts or str(pure) != path or len(pure.parts) < len(("/", "directory", "file")):
        raise ValueError("a path from / to a file below a directory, without '..', is needed")
    if any(pure.is_relative_to(place) for place in OFF_LIMITS):
        raise ValueError(f"no file of a product can be below {', '.join(OFF_LIMITS)}")
    return path


Place = Annotated[str, Field(pattern=r"^/[A-Za-z0-9_./+-]{1,200}$"), AfterValidator(_absolute)]
"""A file's path in the machine."""

Command = Annotated[str, StringConstraints(min_length=1, max_length=4000, pattern=r"^[^\x00]+$")]
"""Lines for the machine's shell."""

QueueNumber = Annotated[int, Field(ge=0, le=65535)]


class AgentFile(Model):
    """A file that a product needs.

    Attributes:
        source: Its path, relative to the scenario's file.
        to: Its path in the machine; by default it is in the directory where the product is started.
        mode: Its permissions, in octal.
        content: The file itself, compressed and in base64: filled in when the scenario is read.
    """

    source: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./+-]{0,200}$")]
    to: Place | None = None
    mode: Annotated[str, Field(pattern=r"^0[0-7]{3}$")] = "0644"
    content: str = ""

    def filled(self, data: bytes) -> AgentFile:
        """Return it with its content."""
        return self.model_copy(update={"content": base64.b64encode(zlib.compress(data, 9)).decode()})

    def unpacked(self) -> bytes:
        """Return its content.

        Raises:
            ValueError: a stored one is damaged, or too large.
        """
        decompressor = zlib.decompressobj()
        try:
            data = decompressor.decompress(base64.b64decode(self.content, validate=True), MOST_BYTES)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        if not decompressor.eof:
            raise ValueError(f"it is cut off, or has more than {MOST_BYTES} bytes")
        return data


class Ready(Model):
    """When a program is ready: when every given condition holds.

    Attributes:
        queue: A queue that it listens to, by the kernel's list (/proc/net/netfilter/nfnetlink_queue).
        port: A port of TCP or UDP that it listens on.
        log: Text in a line of its output.
        rule: Text in one of its rules, as iptables-save(8) or nft(8) prints it.
        file: A file, or a socket, that it creates.
        timeout_s: How long this may take, in seconds.
    """

    queue: QueueNumber | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    log: Annotated[str, Field(pattern=r"^[^\x00-\x1f]{1,200}$")] | None = None
    rule: Annotated[str, Field(pattern=r"^[^\x00-\x1f]{1,200}$")] | None = None
    file: Annotated[str, Field(pattern=r"^/[A-Za-z0-9_./+-]{1,200}$")] | None = None
    timeout_s: Annotated[int, Field(ge=1, le=300)] = WAIT_S

    @model_validator(mode="after")
    def _require_a_condition(self) -> Self:
        if not self.conditions:
            raise ValueError("one of 'queue', 'port', 'log', 'rule' and 'file' is needed, to know when it has started")
        return self

    @property
    def conditions(self) -> dict[str, str | int]:
        """The given conditions, by their names."""
        known = {"queue": self.queue, "port": self.port, "log": self.log, "rule": self.rule, "file": self.file}
        return {name: value for name, value in known.items() if value is not None}


class Brought(Model):
    """A program that a scenario brings along.

    Attributes:
        product: Its name, for messages.
        packages: Debian packages, which are fetched on the host with what they depend on.
        files: Files that it needs.
        start: Starts it in the lane; the program may stay in the foreground or not.
        ready: When it is ready.
        stop: Ends it, before every process in the lane is ended.
        leaves: Files that it writes elsewhere; they are removed at the end.
    """

    product: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,60}$")]
    packages: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]{1,100}$")], ...] = ()
    files: Annotated[tuple[AgentFile, ...], Field(max_length=50)] = ()
    start: Command
    ready: Ready
    stop: Command | None = None
    leaves: tuple[Place, ...] = ()


class Agent(Brought):
    """Start a product, which sends the DNS packets to NFQUEUE and gives the verdicts.

    Attributes:
        rules: Input of iptables-restore(8), loaded in the lane when it is ready.
        queue: The queues that are watched: at least one of them must get a packet.
        may_be_passed: Whether no packet need come to its queues, as with a workaround that leads queries past them.
    """

    do: Literal["agent"]
    rules: Annotated[str, Field(min_length=1)] | None = None
    queue: Annotated[tuple[QueueNumber, ...], Field(min_length=1)] = (0,)
    may_be_passed: bool = False


class Service(Brought):
    """Start a program that gives no verdicts, such as a forwarder between the client and the server.

    Attributes:
        address: Where the client asks it, on the lane's loopback; without one the client's resolver is not changed.
    """

    do: Literal["service"]
    address: Annotated[str, Field(pattern=r"^127(\.[0-9]{1,3}){3}$")] | None = None
