"""A line on the terminal when kernels have to be compiled: the first run after an installation takes minutes."""

import sys


def announced():
    """Have it said when the first kernel is compiled.

    Yields
    ------
    str
        What was imported: goes before the imports of what has kernels.
    """
    from numba.core import event

    yield event.__name__

    class Announcement(event.Listener):
        said = False

        def on_start(self, event):
            if not self.said:
                self.said = True
                print(f"rampflow: {_line(event.data['dispatcher'])}", file=sys.stderr, flush=True)

        def on_end(self, event):
            pass

    event.register("numba:compile", Announcement())


def _line(dispatcher):
    kept = getattr(getattr(dispatcher, "_cache", None), "cache_path", None)
    then = f"kept for later runs in {kept}" if kept else "not kept: each run does it again"
    return f"compiling kernels, which is done once and takes a few minutes ({then})"
