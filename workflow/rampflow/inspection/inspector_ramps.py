"""The ramp of a pixel through all steps, with the flags of its groups by name, as figures of the inspector's page."""

import numpy as np
from bokeh.core.properties import value as text
from bokeh.models import BasicTicker, ColumnDataSource, FactorRange, HoverTool, Legend, LegendItem
from bokeh.plotting import figure

from rampflow.inspection.pixel_plot import COLOURS, first_number
from rampflow.inspection.pixel_reasons import names_of


def lines(history, integration, shifted):
    """Make the lines of a pixel's ramp: {number of the stage: samples}, those left out that are as the ones before.

    Parameters
    ----------
    history : `~rampflow.inspection.pixel.PixelHistory`
        The pixel.
    integration : int
        From 0.
    shifted : bool
        Whether each begins at 0: the bias would leave of the rest a line at the bottom.
    """
    found, last = {}, None
    for number, stage in enumerate(history.stages):
        if stage.sci is None:
            continue
        values = stage.sci[integration].astype(np.float64)
        values = values - first_number(values) if shifted else values
        if last is None or not np.array_equal(values, last, equal_nan=True):
            found[number] = last = values
    return found


def flag_marks(history, integration):
    """List the flags of the groups of a pixel: {column: list}, a row for each flag of each group.

    Columns are group (from 1), flag, step (the first that has it), why, and lost ("" or the step that cleared it).
    """
    stages = [stage for stage in history.stages if stage.groupdq is not None]
    rows = {"group": [], "flag": [], "step": [], "why": [], "lost": []}
    seen = {}
    for stage in stages:
        for group, flags in enumerate(stage.groupdq[integration], 1):
            names = names_of(flags)
            for name in names:
                seen.setdefault((name, group), [stage.step, ""])
                seen[name, group][1] = ""
            for (name, at), entry in seen.items():
                if at == group and name not in names and not entry[1]:
                    entry[1] = stage.step
    for (name, group), (step, lost) in sorted(seen.items(), key=lambda item: item[0][1]):
        why = next((c.why for c in history.changes if c.set and c.flag == name and c.integration == integration + 1
                    and c.first <= group <= c.last), "")  # fmt: skip
        for column, value in zip(rows, (group, name, step, why or " ", lost), strict=True):
            rows[column].append(value)
    return rows


class RampPicture:
    """Two figures that share their groups: the ramp after each step, and the flags of the groups by name."""

    def __init__(self, style):
        common = {"sizing_mode": "stretch_width", "stylesheets": [style], "min_width": 260, "min_border_left": 90}
        self.figure = figure(
            height=380, x_axis_label="group", y_axis_label="DN", name="ramp", toolbar_location="above",
            tools="pan,wheel_zoom,box_zoom,reset,save",
            title="The ramp under the pointer; tap a pixel to keep it", **common,
        )  # fmt: skip
        self.legend = Legend(
            click_policy="hide", orientation="horizontal", ncols=6, label_text_font_size="11px", spacing=4, padding=4,
            margin=2,
        )  # fmt: skip
        self.figure.add_layout(self.legend, "below")
        self.hover = HoverTool(renderers=[], tooltips=[("step", "@step"), ("group", "@group"), ("DN", "@value{0.00}")])
        self.figure.add_tools(self.hover)
        self._lines = {}
        # A figure without any line would be warned of.
        self._line(0)
        self.marks = ColumnDataSource({"group": [], "flag": [], "step": [], "why": [], "lost": [], "colour": []})
        self.flags = figure(
            height=110, x_range=self.figure.x_range, y_range=FactorRange(factors=["no flag"]), tools="", name="flags",
            toolbar_location=None, title="Flags of the groups", **common,
        )  # fmt: skip
        self.flags.scatter("group", "flag", source=self.marks, marker="square", size=11, color="colour")
        for one in (self.figure, self.flags):
            one.xaxis.ticker = BasicTicker(min_interval=1)
            one.toolbar.logo = None
        self.flags.add_tools(HoverTool(tooltips=[
            ("flag", "@flag"), ("group", "@group"), ("set by", "@step"), ("why", "@why"), ("cleared by", "@lost")
        ]))  # fmt: skip

    def _line(self, number):
        """Return source, line and dots of a stage, which are made when they are needed first: they take a moment."""
        if number not in self._lines:
            source = ColumnDataSource({"group": [], "value": [], "step": []})
            colour = COLOURS[number % len(COLOURS)]
            line = self.figure.line("group", "value", source=source, color=colour, line_width=2)
            dots = self.figure.scatter("group", "value", source=source, color=colour, size=5)
            self._lines[number] = [source, line, dots]
            self.hover.renderers = [*self.hover.renderers, dots]
        return self._lines[number]

    def show(self, history, integration, shifted):
        """Show a pixel.

        Parameters
        ----------
        history : `~rampflow.inspection.pixel.PixelHistory`
            The pixel.
        integration : int
            From 0.
        shifted : bool
            Whether each line begins at 0.
        """
        place = history.place
        found = lines(history, integration, shifted) if integration < history.integrations else {}
        for number in found.keys() | self._lines.keys():
            values = found.get(number, np.zeros(0))
            step = history.stages[number].step if number in found else ""
            source, *renderers = self._line(number)
            groups = np.arange(1, len(values) + 1)
            source.data = {"group": groups, "value": values, "step": [step] * len(values)}
            for renderer in renderers:
                renderer.visible = number in found
        self.legend.items = [
            LegendItem(label=text(history.stages[number].step), renderers=self._line(number)[1:]) for number in found
        ]
        there = "" if found else ": no ramp of it is on the disk"
        self.figure.title.text = f"x {place.x + 1}, y {place.y + 1}, integration {integration + 1}{there}"
        self.figure.yaxis.axis_label = "DN above the first group" if shifted else "DN"
        marks = flag_marks(history, integration) if found else {key: [] for key in self.marks.data if key != "colour"}
        names = sorted(set(marks["flag"])) or ["no flag"]
        colours = {stage.step: COLOURS[number % len(COLOURS)] for number, stage in enumerate(history.stages)}
        self.flags.y_range.factors = names
        self.flags.height = 60 + 22 * max(len(names), 2)
        self.marks.data = marks | {"colour": [colours[step] for step in marks["step"]]}
