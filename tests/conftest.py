"""Options of the tests, how examples are drawn, and kernels that are compiled by who calls them, not by collection.

A kernel with a signature is compiled when its module is imported, or read from disk if that was done before: minutes
for all of them. Every process of a run wants that, since it imports what it needs; pytest imports everything to
collect it. So here the compilation waits for the first call, from Python or from another kernel; signatures, options
and what is kept on disk are the same. Processes that tests start are not concerned.
"""

import hypothesis

from rampflow.kernels import waiting

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
waiting.postpone()


def pytest_addoption(parser):
    parser.addoption("--regenerate", action="store_true", help="write the golden edge lists of tests/graph anew")
