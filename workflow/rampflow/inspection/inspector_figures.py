"""The picture of a frame on the inspector's page: with its colour bar, a flag drawn over it, and the chosen pixel."""

import numpy as np
from bokeh.events import MouseLeave, MouseMove, RangesUpdate, Reset, Tap
from bokeh.models import (
    BoxZoomTool,
    ColorBar,
    ColumnDataSource,
    HoverTool,
    InlineStyleSheet,
    LinearColorMapper,
    LogColorMapper,
    Range1d,
)  # fmt: skip
from bokeh.palettes import Greys256, RdBu11, Viridis256, interp_palette
from bokeh.plotting import figure

from rampflow.inspection.inspector_planes import limits

#: Colours of widgets are those of the page, which its style sheet has for light and dark.
SHEET = """:host {
  --color: var(--page-ink); --background-color: var(--page-field); --surface-background-color: var(--page-field);
  --border-color: var(--page-line); --hover-color: var(--page-hover); --inverted-color: var(--page-field);
  --inactive-bg: var(--page-field); --disabled-background-color: var(--page-paper); --icon-color: var(--page-faint);
  --divider-color: var(--page-line); --active-bg: var(--page-active); --active-fg: var(--page-ink);
  --placeholder-color: var(--page-faint); color: var(--page-ink);
}
.bk-input, select, option { color: var(--page-ink); background-color: var(--page-field); }
.bk-btn { color: var(--page-ink); background-color: var(--page-field); border-color: var(--page-line); }
.bk-btn.bk-active { background-color: var(--page-active); }
"""
_NOT_A_NUMBER, _MARK, _FLAG = "#4040a0", "#00b4d8", "#ff3b30"
_DIVERGING = interp_palette(RdBu11, 255)
_PALETTES = {"grey": Greys256, "viridis": Viridis256}


def sheet():
    """Return the style of widgets and figures, of which each document has one of its own."""
    return InlineStyleSheet(css=SHEET)


def dress(figures, dark):
    """Give figures the colours of a dark or a light page."""
    ink, faint, paper = ("#e4e7eb", "#39414d", "#14181e") if dark else ("#1c2530", "#d8dde3", "#ffffff")
    for one in figures:
        one.background_fill_color = one.border_fill_color = paper
        one.outline_line_color = faint
        one.title.text_color = ink
        for axis in one.axis:
            axis.axis_label_text_color = axis.major_label_text_color = ink
            axis.axis_line_color = axis.major_tick_line_color = ink
            axis.minor_tick_line_color = None
        one.grid.grid_line_color = faint
        for legend in one.legend:
            legend.background_fill_color, legend.label_text_color = paper, ink
            legend.border_line_color = faint
        for bar in one.select({"type": ColorBar}):
            bar.background_fill_color = paper
            bar.title_text_color = bar.major_label_text_color = ink
            bar.major_tick_line_color = ink


def _empty():
    return ColumnDataSource({"image": [], "x": [], "y": [], "dw": [], "dh": []})


class FramePicture:
    """The picture of a frame.

    Parameters
    ----------
    style : `~bokeh.models.InlineStyleSheet`
        Of the page.
    tapped : callable
        Called with column and row, from 1, where one has tapped.
    pointed : callable
        Called with column and row, from 1, where the pointer is; with None when it has left the picture.
    moved : callable
        Called with the edges (y0, y1, x0, x1) of what is seen, from 0, or None for all of the frame.
    """

    def __init__(self, style, tapped, pointed, moved):
        self.figure = figure(
            x_range=Range1d(0.5, 1.5), y_range=Range1d(0.5, 1.5), sizing_mode="stretch_width", aspect_ratio=1.05,
            tools="pan,wheel_zoom,reset,save", active_scroll="wheel_zoom", active_drag="pan", min_width=260,
            x_axis_label="x (from 1)", y_axis_label="y (from 1)", name="frame", stylesheets=[style], title=" ",
            toolbar_location="above",
        )  # fmt: skip
        self.figure.add_tools(BoxZoomTool(match_aspect=True))
        self.figure.grid.visible, self.figure.toolbar.logo = False, None
        self.sources = [_empty(), _empty()]
        self.flags, self.mark = _empty(), ColumnDataSource({"x": [], "y": []})
        places = {"image": "image", "x": "x", "y": "y", "dw": "dw", "dh": "dh"}
        self._linear = LinearColorMapper(Greys256, low=0, high=1, nan_color=_NOT_A_NUMBER)
        self._log = LogColorMapper(Greys256, low=1, high=10, nan_color=_NOT_A_NUMBER)
        self.images = [
            self.figure.image(**places, source=one, color_mapper=self._linear, level="image") for one in self.sources
        ]
        over = LinearColorMapper([_FLAG], low=0, high=2, nan_color="rgba(0, 0, 0, 0)")
        self.figure.image(**places, source=self.flags, color_mapper=over, global_alpha=0.75, level="glyph")
        self.figure.rect("x", "y", 1, 1, source=self.mark, fill_color=None, line_color=_MARK, line_width=2)
        self.figure.scatter(
            "x", "y", source=self.mark, marker="circle", size=22, fill_color=None, line_color=_MARK, line_width=2
        )
        self._bar = ColorBar(color_mapper=self._linear, title=" ", width=14, padding=4, name="bar")
        self.figure.add_layout(self._bar, "right")
        self.figure.add_tools(
            HoverTool(renderers=self.images, tooltips=[("x, y", "$x{0}, $y{0}"), ("value", "@image{0.000}")])
        )
        self.figure.on_event(Tap, lambda event: tapped(round(event.x), round(event.y)))
        self.figure.on_event(MouseMove, lambda event: pointed((round(event.x), round(event.y))))
        self.figure.on_event(MouseLeave, lambda _: pointed(None))
        self.figure.on_event(
            RangesUpdate, lambda event: moved((event.y0 - 0.5, event.y1 - 0.5, event.x0 - 0.5, event.x1 - 0.5))
        )
        self.figure.on_event(Reset, lambda _: moved(None))

    def frame(self, shape):
        """Take the sides of a frame of so many rows and columns; very long ones are not drawn to scale."""
        self.figure.aspect_ratio = min(max(shape[1] / shape[0], 0.8), 2.4) * 1.05

    def zoom(self, window):
        """Show the pixels of a window."""
        self.figure.x_range.update(start=window.x0 + 0.5, end=window.x1 + 0.5)
        self.figure.y_range.update(start=window.y0 + 0.5, end=window.y1 + 0.5)

    def show(self, views, *, stretch, colours, unit, title, diverging):
        """Show a frame, or two that take turns.

        Parameters
        ----------
        views : list of `~rampflow.inspection.inspector_planes.View`
            One or two; both have the levels of the first.
        stretch, colours : str
            See `~rampflow.inspection.inspector_view.PageState`.
        unit, title : str
            What is written at the colour bar, and above.
        diverging : bool
            Whether values are differences: colours then go both ways from the middle.
        """
        low, high = limits(views[0].values, stretch)
        mapper = self._log if stretch == "log" and not diverging else self._linear
        mapper.update(low=low, high=high, palette=_DIVERGING if diverging else _PALETTES[colours])
        self._bar.update(color_mapper=mapper, title=unit)
        for source, renderer, view in zip(self.sources, self.images, (*views, None), strict=False):
            source.data = {key: [] for key in source.data} if view is None else _placed(view, view.values)
            renderer.glyph.color_mapper = mapper
            renderer.visible = view is views[0]
        self.figure.title.text = title

    def show_flags(self, view, mask):
        """Draw where a flag is over the frame; None for nowhere."""
        if mask is None:
            self.flags.data = {key: [] for key in self.flags.data}
        else:
            self.flags.data = _placed(view, np.where(mask, np.float32(1), np.float32(np.nan)))

    def point(self, x, y):
        """Mark a pixel, from 1; 0 for none."""
        self.mark.data = {"x": [x] if x else [], "y": [y] if x else []}

    def turn(self):
        """Show the other one of two frames; return its number."""
        number = 1 if self.images[0].visible else 0
        for at, renderer in enumerate(self.images):
            renderer.visible = at == number
        return number


def _placed(view, values):
    """Place blocks: each covers its pixels, whose centres are whole numbers from 1."""
    rows, columns = values.shape
    return {
        "image": [values],
        "x": [view.window.x0 + 0.5],
        "y": [view.window.y0 + 0.5],
        "dw": [columns * view.block[1]],
        "dh": [rows * view.block[0]],
    }
