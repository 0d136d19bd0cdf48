"""What the inspector's page shows, as it stands in its address: a link is a view."""

import math
from dataclasses import asdict, dataclass, replace

from rampflow.detector import dq
from rampflow.inspection.inspector_planes import ARRAYS, STRETCHES

COMPARISONS = ("none", "difference", "blink")
COLOURS = ("grey", "viridis")


@dataclass(frozen=True)
class PageState:
    """What is shown, all counted from 1 as DS9 does.

    Attributes
    ----------
    exposure, product, array : str
        Which; "" where it is left to the page.
    integration, group : int
        Which.
    x, y : int
        The pixel that was tapped; 0 where none was.
    x0, x1, y0, y1 : float
        Edges of what is seen of the frame; all 0 where it is all of it.
    compare : str
        One of `COMPARISONS`.
    other : str
        Product that it is compared with; of the other results with "other:" before it.
    flag : str
        Flag that is drawn over the frame; "" for none.
    stretch : str
        A key of `STRETCHES`.
    colours : str
        One of `COLOURS`.
    """

    exposure: str = ""
    product: str = ""
    array: str = "SCI"
    integration: int = 1
    group: int = 1
    x: int = 0
    y: int = 0
    x0: float = 0.0
    x1: float = 0.0
    y0: float = 0.0
    y1: float = 0.0
    compare: str = "none"
    other: str = ""
    flag: str = ""
    stretch: str = "zscale"
    colours: str = "grey"

    @classmethod
    def read(cls, query):
        """Read what an address says; what it does not say, or what cannot be, is as if nothing was said.

        Parameters
        ----------
        query : dict of str
            Names to values.

        Returns
        -------
        PageState
        """
        found, plain = {}, cls()
        for name, default in asdict(plain).items():
            text = query.get(name)
            if text is None:
                continue
            try:
                value = type(default)(text)
            except ValueError:
                continue
            if isinstance(value, float | int) and not (math.isfinite(value) and 0 <= value < 1e6):
                continue
            if name in _POSSIBLE and value not in _POSSIBLE[name]:
                continue
            found[name] = value
        return replace(plain, **found)

    def query(self):
        """Return the names and values that an address needs: those that are not as they would be anyway."""
        plain = asdict(PageState())
        return {
            name: f"{value:.6g}" if isinstance(value, float) else str(value)
            for name, value in asdict(self).items()
            if value != plain[name]
        }

    @property
    def edges(self):
        """Edges (y0, y1, x0, x1) of what is seen; None for all of it."""
        edges = self.y0, self.y1, self.x0, self.x1
        return edges if self.y1 > self.y0 and self.x1 > self.x0 else None


_POSSIBLE = {
    "array": ARRAYS,
    "compare": COMPARISONS,
    "stretch": STRETCHES,
    "colours": COLOURS,
    "flag": ("", *dq.MNEMONICS),
}
