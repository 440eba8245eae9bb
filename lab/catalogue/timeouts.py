"""How long resolvers wait for an answer, and how often they ask."""

from __future__ import annotations

RES_TIMEOUT_S = 5
"""glibc without option, for each attempt: RES_TIMEOUT in resolv.h, resolv.conf(5) "timeout"."""

RES_SHORTEST_S = 1
"""glibc waits a second at least (res_send.c), also with `timeout:0`."""

RES_MAXRETRANS_S = 30
"""The longest timeout that glibc takes from resolv.conf: RES_MAXRETRANS in resolv.h."""

RES_DFLRETRY = 2
"""Attempts of glibc without option: resolv.h, resolv.conf(5) "attempts"."""

MUSL_RETRY_S = 2.5
"""musl and busybox: the timeout of 5 s divided by two attempts (res_msend.c; nslookup.c, "retry_interval")."""
