"""What is loaded or made at its first use: most commands need little of it, and some takes long."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from importlib import import_module
from threading import RLock, Thread
from types import ModuleType
from typing import Any, TypeVar

T = TypeVar("T")


class Later(ModuleType):
    """A stand-in for a module that loads the module when an attribute is read.

    It is not in `sys.modules`: an import statement elsewhere loads the module itself.
    """

    def __getattr__(self, name: str) -> object:
        """Load the module and return its attribute."""
        return getattr(import_module(self.__name__), name)


def load_meanwhile(name: str) -> None:
    """Begin to load a module that is needed soon, while this thread waits for something else."""
    Thread(target=_loaded, args=(name,), name=f"loading {name}", daemon=True).start()


def _loaded(name: str) -> None:
    with suppress(Exception):  # where it is used, the error is reported
        import_module(name)


class MadeOnce(cached_property[T]):
    """A property whose value is made when it is first read; once, whichever threads read it at the same time.

    Args:
        make: Makes the value. (Since Python 3.12 a `cached_property` may call it twice.)
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        super().__init__(make)
        self._making = RLock()

    def __get__(self, instance: object, owner: type[Any] | None = None) -> T:  # type: ignore[override]  # on instances only
        """Return the value; from then on it is an attribute of the instance, and this is not called."""
        with self._making:
            made: T = super().__get__(instance, owner)
            return made
