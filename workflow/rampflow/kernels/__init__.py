"""How kernels are compiled, and the types of what they take.

A kernel is a function on arrays that numba turns into machine code. One with a signature is compiled when its module is
imported for the first time (or later: `waiting`) and kept in `__pycache__` (`kept`); one without is compiled with the
kernels that call it.

Machine code holds that of the kernels that are called, and numba looks at the file of the function alone to tell
whether it is still good; here it is held against all files of the package that the function's module builds on.

Types of arrays are named after what they hold, its bits, and their dimensions: ``F32_2`` is a 2D float32
`~numpy.ndarray` in C order. With an R at the end, as in ``F32_2R``, it may be one that must not be written to.

Source: https://numba.readthedocs.io, "Compiling Python code with @jit", "Types and signatures", "Notes on Caching".
"""

import hashlib
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from numba import boolean, float32, float64, int32, int64, njit, uint8, uint16, uint32
from numba.types import Array, BaseTuple

from rampflow.kernels.kept import CodeFiles
from rampflow.kernels.waiting import declare

_PACKAGE = __name__.partition(".")[0]


def kernel(signature: Any = None, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function as all of them are: without the interpreter's lock, kept on disk, divided by 0 as numpy does.

    Parameters
    ----------
    signature : numba signature, or list of them, optional
        Types of the arguments and of the result.
    **options
        Further ones of `numba.njit`, such as ``inline="always"``.
    """
    signatures = signature if isinstance(signature, list) else [] if signature is None else [signature]

    def compiled(function: Callable[..., Any]) -> Any:
        # Nobody calls kernels from C: the entry for that would take an eighth of the time that compiling takes.
        dispatcher = njit(cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True, **options)(function)
        # There is no public way to say what else the machine code depends on, and where it is kept.
        dispatcher._cache._cache_file = CodeFiles(
            dispatcher._cache, str(sys.modules[function.__module__].__file__), _state(function.__module__)
        )
        if signatures:
            declare(dispatcher, signatures)
        return dispatcher

    return compiled


@cache
def _state(module: str) -> str:
    """Digest of the files of a module and of those of the package that it builds on, however indirectly."""
    digest = hashlib.sha256()
    for name in sorted(modules_under(module)):
        digest.update(name.encode() + b"\0" + Path(str(sys.modules[name].__file__)).read_bytes())
    return digest.hexdigest()


def modules_under(module: str) -> set[str]:
    """Names of a module and of those of the package whose functions, classes or selves it holds, and so on."""
    found, todo = set(), {module}
    while todo:
        name = todo.pop()
        found.add(name)
        for value in list(vars(sys.modules[name]).values()):
            other = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if not isinstance(other, str) or other.partition(".")[0] != _PACKAGE:
                continue
            # A package holds those of its modules that happen to have been imported.
            if other not in found and not other.startswith(f"{name}."):
                todo.add(other)
    return found


def fields(named_tuple: type, *types: Any) -> Any:
    """Type of a named tuple, for a signature, from the types of its fields; what is passed must have just these."""
    return BaseTuple.from_types(types, named_tuple)


def _arrays(values: Any, *dimensions: int, readonly: bool = False) -> Iterator[Any]:
    return (Array(values, n, "C", readonly=readonly) for n in dimensions)


B_1, B_2 = _arrays(boolean, 1, 2)
U8_1, U8_2, U8_3, U8_4 = _arrays(uint8, 1, 2, 3, 4)
U16_1, U16_3 = _arrays(uint16, 1, 3)
U32_1, U32_2, U32_3 = _arrays(uint32, 1, 2, 3)
I32_1, I32_2, I32_3 = _arrays(int32, 1, 2, 3)
I64_1, I64_2 = _arrays(int64, 1, 2)
F32_1, F32_2, F32_3, F32_4 = _arrays(float32, 1, 2, 3, 4)
F64_1, F64_2, F64_3 = _arrays(float64, 1, 2, 3)

(B_2R,) = _arrays(boolean, 2, readonly=True)
U8_3R, U8_4R = _arrays(uint8, 3, 4, readonly=True)
(U32_2R,) = _arrays(uint32, 2, readonly=True)
(I32_2R,) = _arrays(int32, 2, readonly=True)
F32_1R, F32_2R, F32_3R, F32_4R = _arrays(float32, 1, 2, 3, 4, readonly=True)
F64_1R, F64_2R, F64_3R = _arrays(float64, 1, 2, 3, readonly=True)
