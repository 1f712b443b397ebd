"""Compilation by numba, where it is installed."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

try:
    import numba
except ImportError:
    # Not every platform and Python has it; what follows then runs as it stands, slowly.
    numba = None

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """`numba.njit`, its result cached on disk; it runs without Python's lock, so threads can share work."""
    return function if numba is None else cast("_Function", numba.njit(cache=True, nogil=True)(function))
