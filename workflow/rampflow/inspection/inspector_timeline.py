"""Time series as figures of the inspector's page: light, jumps and reference pixels, integration by integration."""

import threading

import numpy as np
from bokeh.events import Tap
from bokeh.models import BasicTicker, ColumnDataSource, HoverTool, Range1d, Span
from bokeh.plotting import figure

from rampflow.errors import RampflowError
from rampflow.inspection.inspector_series import series

#: Column, what is at its axis, colour.
_LINES = (
    ("light", "light [DN/s]", "#1b6ca8"),
    ("jumps", "jumps [of groups]", "#c8553d"),
    ("level", "reference pixels [DN]", "#588157"),
)


def read_meanwhile(document, results, names, say, done):
    """Read the time series of segments while the page goes on.

    Parameters
    ----------
    document : `~bokeh.document.Document`
        The page.
    results : path-like
        Folder of the results.
    names : list of str
        The segments.
    say : callable
        Called with a line that says how far it is.
    done : callable
        Called with what was found and "", or with None and what is wrong.
    """

    def later(action):
        # Of a page that was closed meanwhile there is nothing to be changed.
        if document.session_context is None or not document.session_context.destroyed:
            document.add_next_tick_callback(action)

    def read():
        found, problem = None, ""
        try:
            found = series(results, names, lambda so_far, of: later(lambda: say(f"time series: {so_far} of {of} read")))
        except (RampflowError, OSError, ValueError) as error:
            problem = " ".join(str(error).split())
        later(lambda: done(found, problem))

    threading.Thread(target=read, daemon=True).start()


class Timeline:
    """Three figures that share their integrations.

    Parameters
    ----------
    style : `~bokeh.models.InlineStyleSheet`
        Of the page.
    tapped : callable
        Called with the name of an exposure and its integration, from 1, where one has tapped.
    """

    def __init__(self, style, tapped):
        self.source = ColumnDataSource({key: [] for key in ("number", "name", "integration", *(c for c, *_ in _LINES))})
        self.figures, self._tapped = [], tapped
        x_range = Range1d(0, 1)
        for number, (column, label, colour) in enumerate(_LINES):
            one = figure(
                height=180, x_range=x_range, title=label, name=column, sizing_mode="stretch_width", min_width=260,
                stylesheets=[style], tools="" if number else "xpan,xwheel_zoom,reset,save", min_border_left=90,
                toolbar_location=None if number else "above", visible=False,
            )  # fmt: skip
            one.line("number", column, source=self.source, color=colour)
            one.scatter("number", column, source=self.source, color=colour, size=4)
            one.xaxis.ticker, one.toolbar.logo = BasicTicker(min_interval=1), None
            one.add_tools(HoverTool(tooltips=[
                ("exposure", "@name"), ("integration", "@integration"), (label, f"@{column}{{0.000000}}")
            ], mode="vline"))  # fmt: skip
            one.on_event(Tap, self._tap)
            self.figures.append(one)
        self.figures[-1].xaxis.axis_label = "integration of the observation"

    def _tap(self, event):
        numbers = np.asarray(self.source.data["number"])
        if len(numbers):
            at = int(np.argmin(np.abs(numbers - event.x)))
            self._tapped(self.source.data["name"][at], int(self.source.data["integration"][at]))

    def show(self, found):
        """Show time series.

        Parameters
        ----------
        found : `~rampflow.inspection.inspector_series.TimeSeries`
            What was read.
        """
        length = len(found.light)
        ends = [*found.starts[1:], length]
        names = [name for name, a, b in zip(found.names, found.starts, ends, strict=True) for _ in range(a, b)]
        within = [k + 1 for a, b in zip(found.starts, ends, strict=True) for k in range(b - a)]
        values = {column: getattr(found, column) for column, *_ in _LINES}
        for one, (column, *_) in zip(self.figures, _LINES, strict=True):
            one.visible = bool(np.isfinite(values[column]).any())
        self.source.data = {"number": np.arange(1, length + 1), "name": names, "integration": within} | values
        self.figures[0].x_range.update(start=0.5, end=length + 0.5)
        for one in self.figures:
            # Where a segment ends.
            one.center = [each for each in one.center if not isinstance(each, Span)] + [
                Span(location=start + 0.5, dimension="height", line_dash="dotted", line_color="#888888")
                for start in found.starts[1:]
            ]
        segments = f", {len(found.names)} segments" if len(found.names) > 1 else ""
        self.figures[0].title.text = f"{_LINES[0][1]} of {length} integrations{segments}"
        self.figures[2].title.text = f"{_LINES[2][1]} in {found.before}"
