"""The inspector's page: what is chosen in it, and what it then shows. One of these for each page that is opened."""

import contextlib
import urllib.parse
from dataclasses import astuple, replace
from pathlib import Path

from bokeh.models import Button, CustomJS, Div, PreText, Select, Spinner, Toggle

from rampflow.detector import dq
from rampflow.errors import RampflowError
from rampflow.inspection import inspector_planes as planes
from rampflow.inspection import inspector_series
from rampflow.inspection.inspector_figures import FramePicture, dress, sheet
from rampflow.inspection.inspector_ramps import RampPicture
from rampflow.inspection.inspector_timeline import Timeline, read_meanwhile
from rampflow.inspection.inspector_view import COLOURS, COMPARISONS, PageState
from rampflow.inspection.pixel import pixel

#: Most rows and columns of the picture of a frame: as many pixels as it has on a large screen.
SIZE = 800
#: Milliseconds after which a move of the picture has ended, between two turns of blinking, and after which the ramp of
#: the pixel under the pointer is read.
_MOVED, _BLINK, _FOLLOWS = 150, 700, 60
#: A view of a pixel that was jumped to (rows, columns).
_NEAR = 60
_STRETCHES = {
    "zscale": "zscale", "98": "1 to 99 %", "99.8": "0.1 to 99.9 %", "all": "lowest to highest", "log": "logarithmic"
}  # fmt: skip
_TELL = 'history.replaceState(null, "", location.pathname + (address.text ? "?" + address.text : ""))'
_OTHER = "other:"


def maker(results, other=None, variant=None):
    """Return the function that fills a page.

    Parameters
    ----------
    results : path-like
        Folder of the results.
    other : path-like, optional
        Folder of others, to compare with.
    variant : str, optional
        Name of a variant of exposures there, to compare with.
    """

    def make(document):
        arguments = document.session_context.request.arguments
        query = {name: values[-1].decode("utf-8", "replace") for name, values in arguments.items() if values}
        Page(document, results, other, PageState.read(query), variant)

    return make


class Page:
    """A page.

    Parameters
    ----------
    document : `~bokeh.document.Document`
        What it consists of.
    results, other : path-like
        Folders of results; ``other`` may be None.
    settings : `~rampflow.inspection.inspector_view.PageState`
        What to show first.
    variant : str, optional
        Name of the variant to take of ``other``.
    """

    def __init__(self, document, results, other, settings, variant=None):
        self.document, self.results, self.settings = document, Path(results), settings
        self.other, self.variant = other, variant
        self.planes = self.history = self._blinking = self._waiting = None
        self._under = self._following = None
        self._setting, self._edges = False, None
        style = sheet()
        self.picture = FramePicture(style, self.tapped, self.pointed, self.moved)
        self.ramps = RampPicture(style)
        self.timeline = Timeline(style, self.turn_to)
        self._make_widgets(style)
        document.title = f"{self.results.resolve().name}: rampflow inspect"
        document.template = (Path(__file__).parent / "templates" / "inspector.html").read_text(encoding="utf-8")
        for root in (*self.widgets.values(), *self.figures):
            document.add_root(root)
        dress(self.figures, False)
        self._guarded(self.open_exposure)

    @property
    def figures(self):
        """All figures, which are dressed together."""
        return self.picture.figure, self.ramps.figure, self.ramps.flags, *self.timeline.figures

    # --- what can be chosen ------------------------------------------------------------------------------

    def _make_widgets(self, style):
        def select(name, title, options=(), width=150):
            widget = Select(title=title, options=list(options), name=name, stylesheets=[style], width=width)
            widget.on_change("value", lambda _, __, value: self._chosen(name, value))
            return widget

        def number(name, title):
            widget = Spinner(title=title, low=1, high=1, step=1, value=1, name=name, stylesheets=[style], width=95)
            widget.on_change("value", lambda _, __, value: self._chosen(name, value))
            return widget

        def button(name, label, action):
            widget = Button(label=label, name=name, stylesheets=[style], width=95)
            widget.on_click(lambda: self._guarded(action))
            return widget

        self.widgets = {
            "exposure": select("exposure", "Exposure", planes.exposures(self.results), 340),
            "product": select("product", "Product of"),
            "array": select("array", "Array", (), 120),
            "integration": number("integration", "Integration"),
            "group": number("group", "Group"),
            "compare": select("compare", "Compare", COMPARISONS, 110),
            "other": select("other", "with", (), 190),
            "stretch": select("stretch", "Levels", _STRETCHES.items()),
            "colours": select("colours", "Colours", COLOURS, 100),
            "flag": select("flag", "Flag in red"),
            "next": button("next", "next flagged", self.jump),
            "series": button("series", "time series", self.read_series),
            "shifted": Toggle(
                label="ramps begin at 0", active=True, name="shifted", stylesheets=[style], width=150, height=31
            ),
            "follow": Toggle(
                label="ramps follow the pointer", active=True, name="follow", stylesheets=[style], width=190, height=31
            ),
            "dark": Toggle(label="dark", name="dark", stylesheets=[style], width=60, height=31),
            "said": Div(text=" ", name="said", stylesheets=[style], sizing_mode="stretch_width"),
            "text": PreText(text="", name="text", stylesheets=[style], sizing_mode="stretch_width"),
            "address": Div(text="", name="address", visible=False),
        }
        address = self.widgets["address"]
        address.js_on_change("text", CustomJS(args={"address": address}, code=_TELL))
        self.widgets["shifted"].on_change("active", lambda _, __, ___: self._guarded(self.show_pixel))
        dark = self.widgets["dark"]
        dark.js_on_change("active", CustomJS(code="rampflowDark(cb_obj.active)"))
        dark.on_change("active", lambda _, __, active: dress(self.figures, active))
        begin = f"dark.active = rampflowIsDark(); {_TELL}"
        self.document.js_on_event("document_ready", CustomJS(args={"dark": dark, "address": address}, code=begin))

    def _chosen(self, name, value):
        """Take what was chosen in a widget; nothing where the page itself has set it."""
        if self._setting or value is None:
            return
        self.settings = replace(self.settings, **{name: value})
        if name == "other":
            self.against = value
        again = {"exposure": self.open_exposure, "product": self.open_product, "integration": self.show_all}
        self._guarded(again.get(name, self.show_frame))

    def _guarded(self, action, *arguments):
        """Do something; a line in the page says what is wrong where it cannot be done."""
        self.widgets["said"].text = " "
        try:
            action(*arguments)
        except (RampflowError, OSError) as problem:
            self.say(str(problem))
        self.widgets["address"].text = urllib.parse.urlencode(self.settings.query())

    def say(self, text):
        """Say something in a line."""
        self.widgets["said"].text = text.replace("&", "&amp;").replace("<", "&lt;")

    def _set(self, name, **properties):
        """Set what a widget shows, without that counting as a choice."""
        self._setting = True
        try:
            self.widgets[name].update(**properties)
        finally:
            self._setting = False

    # --- what is shown -----------------------------------------------------------------------------------

    def open_exposure(self):
        """Find the products of the exposure, and open one."""
        names = self.widgets["exposure"].options
        if self.settings.exposure not in names:
            if self.settings.exposure:
                self.say(f"{self.results}: no exposure {self.settings.exposure}; this is another one")
            self.settings = replace(self.settings, exposure=names[0])
        self._set("exposure", value=self.settings.exposure)
        self.sources = planes.sources_of(self.results, self.settings.exposure)
        self.products = planes.products(self.sources)
        if not self.products:
            raise RampflowError(f"{self.sources.folder}: none of its products is there; run the workflow again")
        self.others = {}
        if self.other is not None and self.settings.exposure in planes.exposures(self.other, self.variant):
            self.others = planes.products(planes.sources_of(self.other, self.settings.exposure, self.variant))
        self.open_product()

    def open_product(self):
        """Open a product, and show what of the settings it has."""
        names = list(self.products)
        first = "rate" if "rate" in names else names[-1]
        product = self.settings.product if self.settings.product in names else first
        self._set("product", options=names, value=product)
        before, self.planes = self.planes, planes.opened(self.products[product])
        others = [name for name in names if name != product] + [f"{_OTHER}{name}" for name in self.others]
        usual = f"{_OTHER}{product}" if product in self.others else names[max(names.index(product) - 1, 0)]
        usual = usual if usual in others else next(iter(others), "")
        self.against = self.settings.other if self.settings.other in others else usual
        array = self.settings.array if self.settings.array in self.planes.arrays else self.planes.arrays[0]
        flags = planes.flag_names(self.planes)
        self.settings = replace(
            self.settings, product=product, array=array,
            integration=min(max(self.settings.integration, 1), self.planes.integrations),
            group=min(max(self.settings.group, 1), self.planes.groups),
            flag=self.settings.flag if self.settings.flag in flags else "",
        )  # fmt: skip
        self._set("array", options=self.planes.arrays, value=array)
        self._set("other", options=others, value=self.against)
        self._set("flag", options=[("", "none"), *flags], value=self.settings.flag)
        for name, of in (("integration", self.planes.integrations), ("group", self.planes.groups)):
            self._set(name, title=f"{name.capitalize()} of {of}", high=of, value=getattr(self.settings, name))
        for name in ("compare", "stretch", "colours"):
            self._set(name, value=getattr(self.settings, name))
        if before is None or before.shape != self.planes.shape:
            edges = self.settings.edges if before is None else None
            self.picture.frame(self.planes.shape)
            self._look_at(edges)
        self.show_all()

    def show_all(self):
        """Show the frame and the pixel."""
        self.show_frame()
        self.show_pixel()

    def _look_at(self, edges):
        """Show the part of the frame between some edges."""
        self._take_edges(edges)
        self.picture.zoom(self.window)

    def _take_edges(self, edges):
        """Take the edges (y0, y1, x0, x1), from 0, of what is seen; None for all of the frame."""
        rows, columns = self.planes.shape
        whole = planes.Cutout(0, rows, 0, columns)
        self.window = planes.Cutout.within(self.planes.shape, *edges) if edges else whole
        at = (0, 0, 0, 0) if self.window == whole else astuple(self.window)
        self.settings = replace(self.settings, **dict(zip(("y0", "y1", "x0", "x1"), map(float, at), strict=True)))

    def show_frame(self):
        """Show what is seen of the frame."""
        chosen, shown = self.settings, self.planes
        at = chosen.array, chosen.integration - 1, chosen.group - 1, self.window, SIZE
        other = None if chosen.compare == "none" else self._compared()
        views = [planes.look(shown, *at, less=other if chosen.compare == "difference" else None)]
        if chosen.compare == "blink":
            views.append(planes.look(other, *self._within(other, *at)))
        self._titles = [chosen.product, self.against]
        title = f"{chosen.product} less {self.against}" if chosen.compare == "difference" else chosen.product
        self.picture.show(
            views, stretch=chosen.stretch, colours=chosen.colours, unit=f"{chosen.array} [{shown.unit(chosen.array)}]",
            title=title, diverging=chosen.compare == "difference",
        )  # fmt: skip
        mask = None
        if chosen.flag:
            mask = planes.look_at_flags(shown, dq.MNEMONICS[chosen.flag], *at[1:])
        self.picture.show_flags(views[0], mask)
        self.picture.point(chosen.x, chosen.y)
        self._blink(chosen.compare == "blink")

    def _compared(self):
        """Open the product that is compared with."""
        name = self.against
        found = self.others if name.startswith(_OTHER) else self.products
        if (key := name.removeprefix(_OTHER)) not in found:
            raise RampflowError("there is no other product to compare with; choose another product or exposure")
        other = planes.opened(found[key])
        if other.shape != self.planes.shape or self.settings.array not in other.arrays:
            raise RampflowError(
                f"{other.path.name} has frames of {other.shape[1]} x {other.shape[0]} and {', '.join(other.arrays)}; "
                f"they cannot be compared with {self.settings.array} of {self.planes.shape[1]} x {self.planes.shape[0]}"
            )
        return other

    @staticmethod
    def _within(other, name, integration, group, window, size):
        return name, min(integration, other.integrations - 1), min(group, other.groups - 1), window, size

    def _blink(self, on):
        if on and self._blinking is None:
            self._blinking = self.document.add_periodic_callback(self._turn, _BLINK)
        elif not on and self._blinking is not None:
            self.document.remove_periodic_callback(self._blinking)
            self._blinking = None

    def _turn(self):
        self.picture.figure.title.text = self._titles[self.picture.turn()]

    def moved(self, edges):
        """Read anew what is seen, once it has not moved for a moment."""
        self._edges = edges
        if self._waiting is None:
            self._waiting = self.document.add_timeout_callback(self._moved, _MOVED)

    def _moved(self):
        self._waiting = None
        before = self.window
        self._take_edges(self._edges)
        if self.window != before:
            self._guarded(self.show_frame)

    # --- the pixel ---------------------------------------------------------------------------------------

    def tapped(self, x, y):
        """Show the pixel in a column and row, from 1."""
        rows, columns = self.planes.shape
        if 1 <= x <= columns and 1 <= y <= rows:
            self.settings = replace(self.settings, x=x, y=y)
            self._guarded(self.show_pixel)

    def pointed(self, place):
        """Show the ramp of the pixel under the pointer, once it rests; that of the chosen one when it has left."""
        self._under = place
        if self._following is None and self.widgets["follow"].active:
            self._following = self.document.add_timeout_callback(self._follow, _FOLLOWS)

    def _follow(self):
        self._following = None
        rows, columns = self.planes.shape
        if self._under is None:
            self._guarded(self.show_pixel)
        elif 1 <= self._under[0] <= columns and 1 <= self._under[1] <= rows and not self.planes.striped:
            # What is wrong with a pixel is said where one taps it.
            with contextlib.suppress(RampflowError, OSError):
                self._show_ramp(pixel(self.results, self.settings.exposure, *self._under))

    def _show_ramp(self, history):
        """Show the ramp of a pixel; return the integration of it, from 1."""
        integration = min(self.settings.integration, max(history.integrations, 1))
        self.ramps.show(history, integration - 1, self.widgets["shifted"].active)
        return integration

    def show_pixel(self):
        """Show the ramp of the pixel, and what became of it."""
        chosen = self.settings
        self.picture.point(chosen.x, chosen.y)
        if not (chosen.x and chosen.y):
            return
        if self.planes.striped:
            raise RampflowError("frames of superstripes have no place in the picture that they make; tap the rate")
        key = chosen.exposure, chosen.x, chosen.y
        if self.history is None or self.history[0] != key:
            self.history = key, pixel(self.results, *key)
        history = self.history[1]
        self.widgets["text"].text = history.text(self._show_ramp(history))

    def jump(self):
        """Go to the next pixel that has the flag that is drawn."""
        chosen = self.settings
        if not chosen.flag:
            raise RampflowError("choose a flag first")
        start = chosen.integration - 1, chosen.group - 1, max(chosen.y, 1) - 1, chosen.x - 1
        found, last = planes.next_flagged(self.planes, dq.MNEMONICS[chosen.flag], start)
        if found is None and last is None:
            self.say(f"{chosen.flag}: no pixel of {chosen.product} has it")
        elif found is None:
            done = f"none up to integration {last[0] + 1}, group {last[1] + 1}"
            self.say(f"{chosen.flag}: {done} of {chosen.product}")
            self.settings = replace(chosen, integration=last[0] + 1, group=last[1] + 1, x=0, y=0)
        else:
            i, g, y, x = found
            self.settings = replace(chosen, integration=i + 1, group=g + 1, y=y + 1, x=x + 1)
            near = _NEAR // 2
            seen = self.window.y0 <= y < self.window.y1 and self.window.x0 <= x < self.window.x1
            large = max(self.window.y1 - self.window.y0, self.window.x1 - self.window.x0) > 4 * _NEAR
            if not seen or large:
                self._look_at((y - near, y + near, x - near, x + near))
        for name in ("integration", "group"):
            self._set(name, value=getattr(self.settings, name))
        self.show_all()

    # --- time series -------------------------------------------------------------------------------------

    def read_series(self):
        """Read the time series of the exposure and of its other segments, while the page goes on."""
        names = inspector_series.segments(self.settings.exposure, self.widgets["exposure"].options)
        button = self.widgets["series"]
        button.disabled = True

        def done(found, problem):
            button.disabled = False
            if found is not None:
                self.timeline.show(found)
                problem = "; ".join(dict.fromkeys(found.trouble))
            self.say(problem or " ")

        read_meanwhile(self.document, self.results, names, self.say, done)

    def turn_to(self, exposure, integration):
        """Show another integration, of another exposure maybe."""
        other = exposure != self.settings.exposure
        self.settings = replace(self.settings, exposure=exposure, integration=integration)
        self._set("integration", value=integration)
        self._guarded(self.open_exposure if other else self.show_all)
