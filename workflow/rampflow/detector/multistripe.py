"""Multistripe readout: frames made of several groups of detector lines, and superstripes.

The electronics of a near-infrared detector can read some lines, skip some, and read on. The keywords say which
lines a frame holds, counted along the slow axis from the first line that the electronics can read: MSTR_RD1 lines
from the start of the subarray (reference pixels, as a rule); MSTR_SK1 are skipped; MSTR_RD2 lines are read, MSTR_SK2
skipped, and so on until the frame is full. With MSTR_RPT every stripe is preceded by the MSTR_RD1 lines and begins
where the first one did, or, with MSTR_ILV, where the one before was left. That is how NIRCam's Dispersed Hartmann
Sensor reads its spectra ("DHS" subarrays), and how the long-wavelength detector beside it reads one stripe several
times in the same frame.

Superstripes (SSTR_NST positions) move from integration to integration: the stripe of each begins SSTR_STP lines
after that of the one before, until so many integrations make one picture (NIRISS SOSS, NIRCam). In some of them a
frame is nothing but its part of the picture; MSTR_RD2 is then 0. In others (SUB64P_SUPSTP002) the border and the
stripe are read several times in a frame, MSTR_RPT without MSTR_ILV: these are samples of one ramp, and each of them
becomes a group when the pictures are put together.

Sources: https://archive.stsci.edu/jwst/keyword/latest, the pages of these keywords; https://jwst-docs.stsci.edu,
"NIRCam Multistripe Subarrays". Where a subarray starts is told by SUBSTRT of the slow axis; of lines that are read
downwards in the science frame the first one is named, or 1, and DHS exposures start at the first line whatever it
says (as jwst 3.0.0 has it; 1.19 starts there always).
"""

from dataclasses import dataclass

from rampflow.detector.orientation import Orientation

#: Lines of a near-infrared detector along the slow axis.
LINES = 2048

#: The keywords and their names in jwst's models; none of them is left when superstripes have been put together.
NAMES = {
    "MSTR_RD1": "multistripe_reads1",
    "MSTR_SK1": "multistripe_skips1",
    "MSTR_RD2": "multistripe_reads2",
    "MSTR_SK2": "multistripe_skips2",
    "MSTR_RPT": "repeat_stripe",
    "MSTR_ILV": "interleave_reads1",
    "SSTR_STP": "superstripe_step",
    "SSTR_NST": "num_superstripe",
}
KEYWORDS = tuple(NAMES)

# Any of these above zero: rows of a frame, or integrations, come from several places on the detector. All zero is
# one rectangle, though jwst, which goes by the presence of MSTR_RD1, stops there.
_SIGNS = ("MSTR_RD1", "MSTR_RD2", "SSTR_NST")

#: Steps that work on superstripes as they were read; refpix, the last of them, puts the stripes together.
BEFORE_PICTURES = ("group_scale", "dq_init", "saturation", "ipc", "superbias", "refpix")


@dataclass(frozen=True)
class Stripes:
    """Which lines of the detector the frames of an exposure hold.

    Attributes
    ----------
    runs : tuple
        For every position the runs of consecutive lines in the order of reading, as ranges; lines count from 0.
    positions : int
        Of superstripes; 0: there are none, and all integrations see the lines of ``runs[0]``.
    length : int
        Lines of the picture that each superstripe holds: the last ones of its frames.
    whole : bool
        The picture of superstripes is as long as the detector, whatever part of it was read.
    orientation : `~rampflow.detector.orientation.Orientation`
        Of the detector.
    samples : int
        How many times a frame samples the ramp of a superstripe.
    stride : int
        Lines from one sample to the next, those of the border included.
    """

    runs: tuple
    positions: int
    length: int
    whole: bool
    orientation: Orientation
    samples: int = 1
    stride: int = 0

    @classmethod
    def of(cls, header, shape):
        """Work out the lines from the keywords.

        Parameters
        ----------
        header : mapping
            Primary header of the exposure.
        shape : tuple of int
            Of its SCI: (integrations, groups, rows, columns).

        Returns
        -------
        Stripes or None
            None for an exposure of a rectangle.

        Raises
        ------
        ValueError
            The keywords are not complete, do not fit the frames or the detector, or describe what the pipeline
            cannot take apart.
        """
        signs = [f"{key} {header[key]}" for key in _SIGNS if header.get(key)]
        if not signs:
            return None
        sign = f"multistripe exposure ({', '.join(signs)})"
        positions = header.get("SSTR_NST") or 0
        needed = KEYWORDS[:6] if not positions else KEYWORDS
        missing = [key for key in needed if not isinstance(header.get(key), int) or header[key] < 0]
        if missing:
            raise ValueError(f"{sign}: {', '.join(missing)} missing, or not a number from 0; set them")
        reads1, skips1, reads2, skips2, repeat, interleave = (header[key] for key in KEYWORDS[:6])
        step = header["SSTR_STP"] if positions else 0
        reads2 = reads2 or step
        if not reads2:
            raise ValueError(f"{sign}: MSTR_RD2 is 0, so that no stripe is read; correct it")
        orientation = _orientation(header)
        size = shape[-1] if orientation.transpose else shape[-2]
        stripes, rest = divmod(size, reads1 + reads2) if repeat else divmod(size - reads1, reads2)
        if rest or stripes < 1:
            raise ValueError(
                f"{sign}: {reads1} and {'repeatedly' if repeat else 'then'} {reads2} lines do not make the "
                f"{size} of a frame; correct MSTR_RD1, MSTR_RD2 and MSTR_RPT"
            )
        if positions:
            _check_superstripes(sign, header, shape, reads2, step)
            if stripes > 1:
                _check_samples(sign, header, stripes)
        start = _start(header, orientation)
        border, first = range(start, start + reads1), start + reads1 + skips1
        advance = reads2 + skips2 if interleave or not repeat else 0
        runs = []
        for position in range(max(1, positions)):
            lines = [border]
            for begin in (first + position * step + stripe * advance for stripe in range(stripes)):
                lines += [range(begin, begin + reads2), *([border] if repeat else [])]
            # What repeats the border begins with it, and does not end with it.
            runs.append(_joined(lines[:-1] if repeat else lines))
        last = max(run.stop for lines in runs for run in lines)
        if last > LINES:
            raise ValueError(f"{sign}: lines up to {last} are to be read, where the detector has {LINES}; correct them")
        whole = positions > 0 and "SOSS" in str(header.get("SUBARRAY"))
        samples = stripes if positions else 1
        return cls(tuple(runs), positions, reads2, whole, orientation, samples, reads1 + reads2)

    @property
    def transpose(self):
        """Whether lines are columns of the science frame."""
        return self.orientation.transpose

    @property
    def downwards(self):
        """Whether lines are read towards lower rows (or columns) of the science frame."""
        return self.orientation.flip_columns if self.transpose else self.orientation.flip_rows

    def pieces(self, position):
        """Return what a frame is made of: rows (or columns) of the full science frame, as ranges in its order."""
        return [self._placed(run) for run in self.runs[position][:: -1 if self.downwards else 1]]

    @property
    def picture(self):
        """Rows (or columns) of the picture that superstripes make, as a range of the full science frame."""
        if self.whole:
            return range(LINES)
        return self._placed(range(self._stripe(0).start, self._stripe(self.positions - 1).stop))

    def part(self, position, sample=0):
        """Return the rows (or columns) of the picture that a superstripe holds, likewise, and where in its frame.

        Parameters
        ----------
        position, sample : int
            Of the superstripe; of its samples in the frame, in the order of time.

        Returns
        -------
        range, slice
        """
        # Counted from the end of the frame in the order of reading, which the last sample fills.
        end = (self.samples - 1 - sample) * self.stride
        frame = slice(end, end + self.length) if self.downwards else slice(-end - self.length, -end or None)
        return self._placed(self._stripe(position)), frame

    def _stripe(self, position):
        stop = self.runs[position][-1].stop
        return range(stop - self.length, stop)

    def _placed(self, lines):
        return range(LINES - lines.stop, LINES - lines.start) if self.downwards else lines


def _orientation(header):
    fast, slow = header.get("FASTAXIS"), header.get("SLOWAXIS")
    if fast is None or slow is None:
        return Orientation.from_detector(str(header.get("DETECTOR")).strip())
    return Orientation.from_axes(fast, slow)


def _start(header, orientation):
    """First line of the subarray, from 0."""
    start = header.get("SUBSTRT1" if orientation.transpose else "SUBSTRT2")
    if start in (None, 1) or "DHS" in str(header.get("SUBARRAY")):
        return 0
    downwards = orientation.flip_columns if orientation.transpose else orientation.flip_rows
    return LINES - start if downwards else start - 1


def _check_superstripes(sign, header, shape, reads2, step):
    """Refuse superstripes that cannot be put together."""
    positions = header["SSTR_NST"]
    if step != reads2:
        raise ValueError(
            f"{sign}: superstripes move by {step} lines (SSTR_STP) where {reads2} are read (MSTR_RD2): the pieces of "
            "the picture do not join; correct the keywords"
        )
    first = (header.get("INTSTART") or 1) - 1
    if shape[0] % positions or first % positions:
        raise ValueError(
            f"{sign}: {shape[0]} integrations from number {first + 1} are not whole pictures of {positions} "
            "superstripes each; give the file that holds them all"
        )


def _check_samples(sign, header, stripes):
    """Refuse superstripes whose frames hold several stripes that are no samples of a ramp, or averages of such."""
    if not header["MSTR_RPT"] or header["MSTR_ILV"]:
        raise ValueError(
            f"{sign}: the {stripes} stripes in a frame of a superstripe are not at the same lines (MSTR_RPT "
            f"{header['MSTR_RPT']}, MSTR_ILV {header['MSTR_ILV']}): they make no picture; correct the keywords"
        )
    if (nframes := header.get("NFRAMES") or 1) > 1:
        raise ValueError(
            f"{sign}: {nframes} frames (NFRAMES) that sample a ramp {stripes} times each are averaged: groups that "
            "overlap in time, which no fit here takes (jwst 3.0.0 gives NaN); leave the exposure out"
        )


def _joined(lines):
    """Join ranges that follow each other; leave out empty ones."""
    runs = []
    for run in filter(None, lines):
        if runs and runs[-1].stop == run.start:
            run = range(runs.pop().start, run.stop)
        runs.append(run)
    return tuple(runs)
