"""One exposure as it was commanded: its timing, its name and its header."""

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from astropy.time import Time

from rampflow.detector import irs2
from rampflow.mock import configurations
from rampflow.mock.configurations import Rectangle
from rampflow.mock.effects import Effects
from rampflow.mock.header import header_of
from rampflow.mock.multistripe import Samples, StripeReadout, in_science
from rampflow.mock.scene import Scene

_SECONDS = 86400.0


@dataclass(frozen=True)
class MockExposure:
    """An exposure, or one segment of it, with everything that decides its pixels.

    Attributes
    ----------
    detector, subarray, readpatt, exp_type : str
        As in DETECTOR, SUBARRAY, READPATT, EXP_TYPE.
    ngroups, nints : int
        Groups per integration; integrations of the whole exposure (NINTS).
    filter, pupil, grating, band, channel : str, optional
        Optical elements; the default is a usual one of the instrument.
    tso : bool
        TSOVISIT.
    noutputs : int, optional
        Number of outputs; the default is the usual one of the subarray.
    window : Rectangle, optional
        Makes an artificial subarray of that place and size under the same name.
    stripes : StripeReadout, optional
        Other than the subarray's.
    first, last : int, optional
        1-based integrations that this file holds (INTSTART, INTEND); the default is all of them.
    segment : int, optional
        Number of the segment in the file name; needed when the file does not hold all integrations.
    zero_frame : bool
        Send the first frame of every integration separately.
    nframes, groupgap, frame_divisor : int, optional
        Other than the pattern's.
    dropped_frames : int
        Frames dropped at the start of an integration (DRPFRMS1).
    omit : tuple of str
        FITS keywords to leave out.
    lacks : tuple of str
        Extensions to leave out: GROUP, INT_TIMES, ASDF.
    program, observation, visit, group, activity, number : int
        Parts of the file name.
    start : str
        UTC at the start of the exposure.
    aimed : tuple of float, optional
        1-based column and row of the subarray where the target was planned to be, for the keywords of the optics.
    scene, effects : Scene, Effects
        What is looked at, with which detector effects.
    after : tuple of MockExposure
        Earlier exposures of the same detector, in order of time, that filled its traps (effect persistence).
    seed : int
        Seed of everything random in this exposure.
    """

    detector: str
    readpatt: str
    ngroups: int
    nints: int = 1
    subarray: str = "FULL"
    exp_type: str = ""
    filter: str | None = None
    pupil: str | None = None
    grating: str | None = None
    band: str | None = None
    channel: str | None = None
    tso: bool = False
    noutputs: int | None = None
    window: Rectangle | None = None
    stripes: StripeReadout | None = None
    first: int = 1
    last: int | None = None
    segment: int | None = None
    zero_frame: bool = False
    nframes: int | None = None
    groupgap: int | None = None
    frame_divisor: int | None = None
    dropped_frames: int = 0
    omit: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    program: int = 9001
    observation: int = 1
    visit: int = 1
    group: int = 2
    activity: int = 1
    number: int = 1
    start: str = "2024-06-01T12:00:00.000"
    aimed: tuple[float, float] | None = None
    scene: Scene = field(default_factory=Scene)
    effects: Effects = field(default_factory=Effects)
    after: tuple["MockExposure", ...] = ()
    seed: int = 1

    def __post_init__(self):
        """Fill in what follows from the rest, and refuse what cannot be."""
        pattern = configurations.read_pattern(self.instrument, self.readpatt)
        known = configurations.subarray(self.detector, self.subarray)
        defaults = {
            "window": known.window,
            "stripes": known.stripes,
            "noutputs": irs2.SECTIONS if self.irs2 else known.noutputs[0],
            "nframes": pattern.nframes,
            "groupgap": pattern.groupgap,
            "last": self.nints,
            **_OPTICS[self.instrument],
        }
        if self.detector.endswith("LONG") and self.instrument == "NIRCAM":
            defaults["filter"] = "F356W"
        if self.instrument == "MIRI" and self.detector != "MIRIMAGE":
            short = self.detector == "MIRIFUSHORT"
            defaults |= {"filter": None, "channel": "12" if short else "34", "band": "SHORT"}
            defaults["exp_type"] = "MIR_MRS"
        for name, value in defaults.items():
            if getattr(self, name) in (None, ""):
                object.__setattr__(self, name, value)
        if self.frame_divisor is None:
            object.__setattr__(self, "frame_divisor", self.nframes)
        if not 1 <= self.first <= self.last <= self.nints:
            raise ValueError(f"integrations {self.first}..{self.last} are not part of 1..{self.nints}")
        if (self.first, self.last) != (1, self.nints) and self.segment is None:
            raise ValueError("a file that does not hold all integrations needs a segment number")
        if self.irs2 and self.window != configurations.full_frame(self.detector):
            raise ValueError(f"{self.readpatt} reads whole frames only, not {self.subarray}")
        if self.noutputs not in known.noutputs and self.instrument != "MIRI" and not self.irs2:
            raise ValueError(f"{self.subarray} is read with {known.noutputs} outputs, not {self.noutputs}")
        if not self.stripes:
            self.window.within(configurations.full_frame(self.detector))

    @classmethod
    def from_header(cls, header, effects=None, **changes):
        """Describe an exposure that exists.

        Parameters
        ----------
        header : mapping
            Needs DETECTOR, READPATT, NGROUPS, NINTS, SUBARRAY, SUBSTRT1/2, SUBSIZE1/2; uses EXP_TYPE,
            FILTER, PUPIL, GRATING, BAND, NFRAMES, GROUPGAP, NOUTPUTS, ZEROFRAM, TSOVISIT, DATE-OBS, TIME-OBS.
        effects : Effects, optional
            Default: nominal.
        **changes
            Attributes to set to something else.

        Returns
        -------
        MockExposure
            With the whole of the header's integrations.
        """
        subarray = configurations.subarray(header["DETECTOR"], header["SUBARRAY"])
        known = {
            "detector": header["DETECTOR"],
            "readpatt": header["READPATT"],
            "ngroups": header["NGROUPS"],
            "nints": header["NINTS"],
            "subarray": header["SUBARRAY"],
            "window": Rectangle(*(header[key] for key in ("SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2"))),
            "exp_type": header.get("EXP_TYPE", ""),
            "tso": bool(header.get("TSOVISIT", False)),
            "zero_frame": bool(header.get("ZEROFRAM", False)),
            "noutputs": header.get("NOUTPUTS", subarray.noutputs[0]),
            "nframes": header.get("NFRAMES"),
            "groupgap": header.get("GROUPGAP"),
            "effects": effects or Effects.nominal(subarray.instrument),
        }
        known |= {key.lower(): header.get(key) for key in ("FILTER", "PUPIL", "GRATING", "BAND")}
        if "DATE-OBS" in header and "TIME-OBS" in header:
            known["start"] = f"{header['DATE-OBS']}T{header['TIME-OBS']}"
        return cls(**(known | changes))

    def but(self, **changes):
        """Return a copy with some things changed; what follows from them is worked out anew."""
        if {"detector", "subarray"} & changes.keys():
            changes = {"window": None, "stripes": None, "noutputs": None} | changes
        if "readpatt" in changes:
            changes = {"noutputs": None, "nframes": None, "groupgap": None} | changes
        if {"readpatt", "nframes"} & changes.keys():
            changes = {"frame_divisor": None} | changes
        if "nints" in changes:
            changes = {"last": None} | changes
        return dataclasses.replace(self, **changes)

    def segments(self, *sizes):
        """Split into segmented files of the given numbers of integrations."""
        if sum(sizes) != self.nints:
            raise ValueError(f"segments of {sizes} integrations do not add up to {self.nints}")
        ends = np.cumsum(sizes)
        return [
            self.but(first=int(end - size + 1), last=int(end), segment=number)
            for number, (size, end) in enumerate(zip(sizes, ends, strict=True), start=1)
        ]

    @property
    def instrument(self):
        """Name of the instrument."""
        return configurations.instrument_of(self.detector)

    @property
    def shape(self):
        """Shape of the SCI array of the file: (integrations, groups, ny, nx)."""
        return (
            self.last - self.first + 1,
            self.ngroups,
            irs2.ROWS if self.irs2 else self.window.ysize,
            self.window.xsize,
        )

    @property
    def positions(self):
        """Positions of superstripes, which integrations see one after the other; 0 without them."""
        return self.stripes.positions if self.stripes else 0

    def frame_lines(self, integration=0):
        """Where the lines of a multistripe frame are: rows (or columns) of the whole science frame, from 0.

        Parameters
        ----------
        integration : int
            0-based, of the whole exposure.
        """
        size = self.window.xsize if self.line_axis == 1 else self.window.ysize
        return self._in_science(self.stripes.lines(size, integration % max(1, self.positions)))

    def picture_part(self, integration):
        """Rows (or columns) of the picture that a superstripe holds, likewise."""
        return self._in_science(self.stripes.part(integration % self.positions))

    @cached_property
    def samples(self):
        """The samples of a ramp in a frame."""
        if not (self.stripes and self.stripes.in_frame):
            return Samples()
        lines = self.window.xsize if self.line_axis == 1 else self.window.ysize
        size = self.stripes.reads1 + (self.stripes.reads2 or self.stripes.step)
        extra = configurations.extra_rows(self.noutputs)
        phases = tuple((extra + (number + 1) * size) / (extra + lines) for number in range(lines // size))
        downwards = configurations.orientation(self.detector)[1] < 0
        return Samples(phases, -1 if self.line_axis == 1 else -2, size, downwards)

    @property
    def line_axis(self):
        """Axis of the science frame, as in FITS, along which lines follow each other."""
        return abs(configurations.orientation(self.detector)[1])

    def _in_science(self, lines):
        frame = configurations.full_frame(self.detector)
        size = frame.xsize if self.line_axis == 1 else frame.ysize
        return in_science(lines, size, configurations.orientation(self.detector)[1] < 0)

    @property
    def cover(self):
        """Smallest window that holds all pixels of the exposure, and of the picture that superstripes make."""
        if not self.stripes:
            return self.window
        lines = np.concatenate([self.frame_lines(position) for position in range(max(1, self.positions))])
        read = self._along(lines.min(), lines.max())
        return read.union(self.picture) if self.positions else read

    @property
    def picture(self):
        """What superstripes make when they are put together; without them the window."""
        if not self.positions:
            return self.window
        if "SOSS" in self.subarray:
            frame = configurations.full_frame(self.detector)
            return self._along(0, (frame.xsize if self.line_axis == 1 else frame.ysize) - 1)
        parts = np.concatenate([self.picture_part(position) for position in range(self.positions)])
        return self._along(parts.min(), parts.max())

    def _along(self, first, last):
        """Window from one row (or column) to another, both from 0, as wide as the exposure's."""
        window = self.window
        if self.line_axis == 1:
            return Rectangle(int(first) + 1, window.ystart, int(last - first) + 1, window.ysize)
        return Rectangle(window.xstart, int(first) + 1, window.xsize, int(last - first) + 1)

    @property
    def irs2(self):
        """Whether frames have interleaved reference pixels."""
        return configurations.is_irs2(self.readpatt)

    @cached_property
    def tframe(self):
        """Time between frames [s]."""
        return configurations.frame_time(self.detector, self.window, self.noutputs, self.readpatt)

    @property
    def tgroup(self):
        """Time between groups [s]."""
        return (self.nframes + self.groupgap) * self.tframe

    @property
    def pattern(self):
        """Read-out pattern."""
        return configurations.read_pattern(self.instrument, self.readpatt)

    def frame_numbers(self, group):
        """1-based numbers, since the reset, of the frames that a group (0-based) averages."""
        start = self.dropped_frames + group * (self.nframes + self.groupgap)
        return range(start + 1, start + self.nframes + 1)

    @property
    def frames_per_integration(self):
        """Frames from a reset to the last one used."""
        return self.frame_numbers(self.ngroups - 1)[-1]

    @property
    def integration_time(self):
        """Time from one integration's start to the next's [s]."""
        return (self.frames_per_integration + self.pattern.resets_between) * self.tframe

    @property
    def root(self):
        """Name of the exposure: file name without the suffix."""
        segment = f"-seg{self.segment:03d}" if self.segment is not None else ""
        return (
            f"jw{self.program:05d}{self.observation:03d}{self.visit:03d}_{self.group:02d}1{self.activity:02d}"
            f"_{self.number:05d}{segment}_{self.detector.lower()}"
        )

    @property
    def duration(self):
        """Time from the start of the exposure to the end of its last integration [s]."""
        resets = self.pattern.resets_at_start - self.pattern.resets_between
        return self.nints * self.integration_time + resets * self.tframe

    def integration_starts(self):
        """MJD (UTC) at the start of the integrations of this file, float64."""
        index = np.arange(self.first - 1, self.last)
        offset = self.pattern.resets_at_start * self.tframe
        return Time(self.start).mjd + (offset + index * self.integration_time) / _SECONDS

    def header(self):
        """Rows (FITS keyword, path in the data model, value) of the primary and SCI header."""
        return header_of(self)


_OPTICS = {
    "NIRCAM": {"filter": "F200W", "pupil": "CLEAR", "exp_type": "NRC_IMAGE"},
    "NIRISS": {"filter": "CLEAR", "pupil": "F200W", "exp_type": "NIS_IMAGE"},
    "NIRSPEC": {"filter": "F170LP", "grating": "G235M", "exp_type": "NRS_FIXEDSLIT"},
    "MIRI": {"filter": "F770W", "exp_type": "MIR_IMAGE"},
    "FGS": {"exp_type": "FGS_IMAGE"},
}
