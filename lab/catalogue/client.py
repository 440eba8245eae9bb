"""The programs that look a name up, and how long each waits for an answer before it asks again."""

from __future__ import annotations

from enum import StrEnum

RES_TIMEOUT_S = 5.0
"""glibc: RES_TIMEOUT in resolv.h, resolv.conf(5) "timeout"."""

MUSL_RETRY_S = 2.5
"""musl and busybox: the timeout of 5 s shared out among two attempts (res_msend.c; nslookup.c, "retry_interval")."""


class Client(StrEnum):
    """A program that looks a name up; those that begin with `lookup-` are the lab's own (provision/clients/)."""

    CURL = "curl"
    """glibc's resolver in a thread; it alone fetches a page, too."""
    GETENT = "getent"
    """glibc's resolver and nothing else."""
    WGET = "wget"
    """glibc's resolver."""
    PYTHON = "python"
    """glibc's resolver, from Python."""
    BUSYBOX = "busybox"
    """nslookup of busybox, which has a resolver of its own."""
    GLIBC = "lookup-glibc"
    """glibc's resolver, and of its program only the lookup is timed."""
    MUSL = "lookup-musl"
    """musl's resolver, as in Alpine Linux: it does not know glibc's options."""
    CARES = "lookup-cares"
    """c-ares, as in Node.js and in many builds of curl."""
    SOCKETS = "lookup-sockets"
    """A socket for each query, as Go's own resolver has it."""
    THREADS = "lookup-threads"
    """Two threads that send the two queries on one socket at the same moment."""

    @property
    def retry_s(self) -> float:
        """How long it waits for an answer before it asks again, in seconds."""
        return MUSL_RETRY_S if self in {Client.MUSL, Client.BUSYBOX} else RES_TIMEOUT_S
