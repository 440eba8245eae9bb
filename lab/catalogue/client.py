"""The client programs, and how long each waits for an answer before it retransmits."""

from __future__ import annotations

from enum import StrEnum

from lab.catalogue.timeouts import MUSL_RETRY_S, RES_TIMEOUT_S


class Client(StrEnum):
    """A client program; those named `lookup-*` are the lab's own (provision/clients/)."""

    CURL = "curl"
    """glibc's resolver in a thread; the only client that also fetches a page."""
    GETENT = "getent"
    """glibc's resolver only."""
    WGET = "wget"
    """glibc's resolver."""
    PYTHON = "python"
    """glibc's resolver, from Python."""
    BUSYBOX = "busybox"
    """nslookup of busybox, with its own resolver."""
    GLIBC = "lookup-glibc"
    """glibc's resolver; only the lookup is timed, not the program's start."""
    MUSL = "lookup-musl"
    """musl's resolver, as in Alpine Linux: it does not know glibc's options."""
    CARES = "lookup-cares"
    """c-ares, as in many builds of curl, and in dns.resolve() of Node.js."""
    SOCKETS = "lookup-sockets"
    """One socket per query, as in Go's own resolver."""
    HEY = "hey"
    """Go's own resolver, without cgo (GODEBUG=netdns=go), in an HTTP client; only the lookup is timed."""
    NODE = "node"
    """dns.lookup() of Node.js, by which it connects: glibc's resolver in a thread of its pool."""
    THREADS = "lookup-threads"
    """Two threads that send the two queries on one socket at the same time."""
    CLIENTS = "lookup-clients"
    """Two clients behind one gateway, which send the two queries from the same port at the same time."""

    @property
    def is_glibc(self) -> bool:
        """Whether it uses glibc's resolver, which reads all of resolv.conf."""
        return self in {Client.CURL, Client.GETENT, Client.WGET, Client.PYTHON, Client.GLIBC, Client.NODE}

    @property
    def packages(self) -> tuple[str, ...]:
        """The Debian packages that it needs besides those of the guest image."""
        return _PACKAGES.get(self, ())

    @property
    def retry_s(self) -> float:
        """Retransmit timeout in seconds."""
        return MUSL_RETRY_S if self in {Client.MUSL, Client.BUSYBOX} else RES_TIMEOUT_S


_PACKAGES = {Client.HEY: ("hey",), Client.NODE: ("nodejs",)}
"""Of Debian; the others are in the image, or are the lab's own."""
