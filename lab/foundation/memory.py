"""Recognises errors of a process that is out of memory, as under `ulimit -v` or in a small container."""

from __future__ import annotations

import errno

from lab.foundation.errors import BrokenEnvironment

EXHAUSTED = BrokenEnvironment(
    "the lab gets too little memory here", hint="raise the limit of this shell (ulimit -v) or of the container"
)


def is_exhausted(error: BaseException) -> bool:
    """Return whether an error was caused by a failed allocation of memory or a thread."""
    if isinstance(error, MemoryError):
        return True
    # Messages of CPython (Python/thread_pthread.h, Modules/_threadmodule.c) and of ld.so.
    is_thread = isinstance(error, RuntimeError) and "can't start new thread" in str(error)
    is_library = isinstance(error, ImportError) and (
        "failed to map segment" in str(error) or "cannot allocate memory" in str(error).lower()
    )
    # errno(3): a system call had too little, such as the reading of a directory from which a module is imported.
    is_refused = isinstance(error, OSError) and error.errno == errno.ENOMEM
    # Python/errors.c: a failed allocation whose exception could not be allocated.
    is_unreported = isinstance(error, SystemError) and "without exception set" in str(error)
    return is_thread or is_library or is_refused or is_unreported
