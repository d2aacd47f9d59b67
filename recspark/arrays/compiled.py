"""Compiles loops over arrays with numba, which needs no compiler on the machine.

Only modules with loops import this one, and only when they are needed: numba takes 0.2 s to import,
and a loop up to a second to compile. The result is kept on disk until the loop's file changes.
Loops that are called by others therefore belong in the same file.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

# Sums may be reordered and products contracted, so that loops use vector instructions. Unlike
# `fastmath=True` this keeps NaN and infinity, by which training notices that it diverged.
_REORDERED = {"reassoc", "contract", "nsz", "arcp"}


def compiled(loop: Callable[..., Any], *, inline: Literal["never", "always"] = "never") -> Any:
    """Return the loop as machine code that runs without Python's lock, compiled when first called.

    Division by zero gives infinity, as in NumPy. Indices are not checked.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "inline": inline}
    options["fastmath"] = _REORDERED
    try:
        return numba.njit(cache=True, **options)(loop)
    except RuntimeError:  # no writable folder for the cache, e.g. in a zipped library
        return numba.njit(**options)(loop)


inlined = functools.partial(compiled, inline="always")
"""The same for a loop that others call for each row: there a call costs as much as the loop."""


def _prefetch(_: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of an element of a 1-D array, soon to be read and written."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), cgutils.voidptr_t)
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, word, word, word])
        function = builder.module.declare_intrinsic("llvm.prefetch", (cgutils.voidptr_t,), kind)
        builder.call(function, [place, word(1), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), emit


prefetch: Any = intrinsic(_prefetch)


class Threads:
    """Runs a loop on several threads, each with its own number; with one, in the caller's."""

    def __init__(self, count: int) -> None:
        """Start `count` threads (≥ 1)."""
        self.count = count
        self._pool = ThreadPoolExecutor(count, "loops") if count > 1 else None

    def run(self, work: Callable[[int], object]) -> None:
        """Call `work` with 0, 1, …, count - 1 and return when all are done."""
        if self._pool is None:
            work(0)
            return
        for done in [self._pool.submit(work, number) for number in range(self.count)]:
            done.result()

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()
