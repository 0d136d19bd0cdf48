"""Options of the tests, how examples are drawn, and kernels that are compiled by who calls them, not by collection.

A kernel with a signature is compiled when its module is imported, or read from disk if that was done before: minutes
for all of them. Every process of a run wants that, since it imports what it needs; pytest imports everything to
collect it. So here the compilation waits for the first call, from Python or from another kernel; signatures, options
and what is kept on disk are the same. Processes that tests start are not concerned.
"""

import hypothesis
from numba.core.compiler_lock import global_compiler_lock
from numba.core.typeinfer import register_dispatcher

from rampflow import kernels

# The same examples in every run, which leaves nothing behind; the first of them may compile a kernel, and the machine
# may have more to do.
hypothesis.settings.register_profile(
    "seeded",
    derandomize=True,
    deadline=None,
    max_examples=50,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("seeded")


def pytest_addoption(parser):
    parser.addoption("--regenerate", action="store_true", help="write the golden edge lists of tests/graph anew")


def _compile_when_called(kernel, signatures):
    """Have a kernel compiled by whoever needs it first, from Python or from another kernel."""

    def after_compilation(name):
        def entry(*args, **kwargs):
            # What is done at import otherwise, once: other threads wait here until it is done. A kernel that calls
            # itself finds the entry of the class.
            with global_compiler_lock:
                if vars(kernel).pop("get_call_template", None):
                    with register_dispatcher(kernel):
                        compile_for(kernel, signatures)
                    vars(kernel).pop("_compile_for_args")
            # numba calls what the first of the two returns.
            return kernel if name == "_compile_for_args" else kernel.get_call_template(*args, **kwargs)

        return entry

    for name in ("_compile_for_args", "get_call_template"):
        setattr(kernel, name, after_compilation(name))


compile_for = kernels.compile_for
kernels.compile_for = _compile_when_called
