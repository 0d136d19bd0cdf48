"""Kernels that are declared and not yet compiled.

A kernel with signatures is compiled when its module is imported. A process that wants to see first which kernels
there are, and what of them is missing on disk, has it put off (`postpone`): each is then compiled when it is first
called, from Python or from another kernel, or when `finish` is called, for just the same signatures.
"""

from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher
from numba.core.typeinfer import register_dispatcher

#: Kernels of this process in the order in which they were declared, with their signatures; names of those that wait.
_declared: dict[Any, tuple[Any, ...]] = {}
_waiting: set[Any] = set()
_postponed = False


def postpone() -> None:
    """Compile no kernel from now on when its module is imported."""
    global _postponed
    _postponed = True


def declare(kernel: Any, signatures: Iterable[Any]) -> None:
    """Compile a kernel for these signatures and no others, now or when it is first called."""
    _declared[kernel] = tuple(signatures)
    if _postponed:
        _wait(kernel)
    else:
        _compile(kernel)


def _compile(kernel: Any) -> None:
    for each in _declared[kernel]:
        kernel.compile(each)
    kernel.disable_compile()


def _wait(kernel: Any) -> None:
    """Have a kernel compiled by whoever needs it first."""
    _waiting.add(kernel)

    def after_compilation(name: str) -> Any:
        def entry(*args: Any, **kwargs: Any) -> Any:
            finish(kernel)
            # numba calls what the first of the two returns.
            return kernel if name == "_compile_for_args" else kernel.get_call_template(*args, **kwargs)

        return entry

    for name in ("_compile_for_args", "get_call_template"):
        setattr(kernel, name, after_compilation(name))


def finish(kernel: Any) -> None:
    """Compile a kernel that waits, or read it from disk; once, while other threads wait here until it is done."""
    with global_compiler_lock:
        # A kernel that calls itself finds the entry of the class.
        if vars(kernel).pop("get_call_template", None):
            with register_dispatcher(kernel):
                _compile(kernel)
            vars(kernel).pop("_compile_for_args")
            _waiting.discard(kernel)


def declared(modules: set[str] | None = None) -> list[Any]:
    """Return the kernels of some modules, by default of all that were imported, in the order of their declaration."""
    return [kernel for kernel in _declared if modules is None or kernel.py_func.__module__ in modules]


def waiting() -> list[Any]:
    """Return the kernels that were neither compiled nor read from disk in this process."""
    return [kernel for kernel in _declared if kernel in _waiting]


def is_kept(kernel: Any) -> bool:
    """Whether machine code of a kernel is on disk, for all of its signatures."""
    cache, codegen = kernel._cache, kernel.targetctx.codegen()
    return all(cache._cache_file.has(cache._index_key(each, codegen)) for each in _declared[kernel])


def callees(kernel: Any) -> set[Any]:
    """Return the kernels with signatures that the code of a kernel calls, by those without that it calls, too."""
    found, todo, seen = set(), [kernel], {kernel}
    while todo:
        for other in _called(todo.pop()):
            if other in seen:
                continue
            seen.add(other)
            if other in _declared:
                found.add(other)
            else:
                todo.append(other)
    return found


def weight(kernel: Any) -> int:
    """Return what says roughly how long a kernel takes to compile: its instructions, for each signature."""
    unsigned = (other for other in _called(kernel) if other not in _declared)
    own = len(kernel.py_func.__code__.co_code) + sum(len(other.py_func.__code__.co_code) for other in unsigned)
    return own * len(_declared.get(kernel, (None,)))


def _called(kernel: Any) -> Iterator[Any]:
    function = kernel.py_func
    names, known = function.__code__.co_names, function.__globals__
    for value in (known[name] for name in names if name in known):
        if isinstance(value, ModuleType):
            yield from (each for each in map(vars(value).get, names) if isinstance(each, Dispatcher))
        elif isinstance(value, Dispatcher):
            yield value
