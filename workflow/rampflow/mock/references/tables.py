"""References that are tables, coefficients or models, and say nothing of single pixels."""

from pathlib import Path

import asdf
import numpy as np
from astropy.io import fits

from rampflow.detector import irs2
from rampflow.mock import detector as det
from rampflow.mock import drifts, traps
from rampflow.mock.configurations import DETECTORS, full_frame, instrument_of, row_clocks
from rampflow.mock.references.layout import header_of, meta_of, write

#: Frequencies in the kernels of the side pixels.
SIRS_FREQUENCIES = 513


def refpix(path, exposure, window):  # noqa: ARG001 - a table
    """Coefficients that tell the drift of IRS2 frames from reference output and reference reads, and bad reads.

    Slow drifts are taken from both in equal parts; the reads fill 8 of 22 slots in a line of 712.
    """
    lines = full_frame(exposure.detector).xsize
    frequency = np.abs(np.fft.fftfreq(lines * irs2.LINE_SLOTS))
    edge = drifts.IRS2_FASTEST
    passed = np.where(frequency < edge, 1.0, np.exp(-(((frequency - edge) / (0.5 * edge)) ** 2)))
    share = irs2.SECTION_ROWS // irs2.PERIOD * 8 / irs2.LINE_SLOTS
    columns = [(f"{name}_{output}", "f4") for name in ("alpha", "beta") for output in range(irs2.SECTIONS - 1)]
    table = np.zeros(2 * passed.size, columns)
    for output in range(irs2.SECTIONS - 1):
        # No two amplifiers are alike, and reads come a little late.
        turn = np.exp(2j * np.pi * np.fft.fftfreq(passed.size) * (output - 1.5))
        for name, factor in (("alpha", 0.5 + 0 * turn), ("beta", 0.5 * turn / share)):
            table[f"{name}_{output}"] = (factor * passed).astype(np.complex64).view(np.float32)
    layout = [("OUTPUT", "u2"), ("ODD_EVEN", "u2"), ("MASK", "u4")]
    bad = np.array([(1, 1, 1 << 4), (2, 1, 1 << 9 | 1 << 10), (4, 2, 1 << 31)], layout)
    header = header_of(exposure, "refpix", "IRS2 coefficients, synthetic", READPATT=exposure.readpatt)
    write(path, header, [fits.BinTableHDU(table, name="IRS2"), fits.BinTableHDU(bad, name="DQ")])


def sirskernel(path, exposure, window):  # noqa: ARG001 - Fourier coefficients
    """Kernels that smooth the side pixels over some ten rows, for all detectors of the instrument."""
    frequency = np.arange(SIRS_FREQUENCIES)
    # Each side gives half; the wider kernels are those of the amplifiers farther away.
    widths = np.array([[70.0, 60.0, 50.0, 45.0], [45.0, 50.0, 60.0, 70.0]])
    gamma, zeta = 0.5 * np.exp(-((frequency / widths[..., np.newaxis]) ** 2)).astype(np.complex128)
    tree = {"meta": meta_of("sirskernel", exposure.instrument)}
    for detector in (name for name in DETECTORS if instrument_of(name) == exposure.instrument):
        tree[detector.lower()] = {"gamma": gamma, "zeta": zeta}
    asdf.AsdfFile(tree).write_to(path)


def distortion(path, exposure, window):  # noqa: ARG001 - the same for all pixels
    """Plain optics: angles (arcsec) are a thirtieth of the distance from the middle of the detector (pixel)."""
    from astropy import units
    from astropy.modeling.models import Scale, Shift

    side = Shift(-1024.0) | Scale(1 / 30)
    meta = meta_of("distortion", exposure.instrument) | {"exposure": {"type": exposure.exp_type}}
    meta |= {"input_units": units.pix, "output_units": units.arcsec}
    asdf.AsdfFile({"meta": meta, "model": side & side}).write_to(path)


def rscd(
    path,
    exposure,
    window,  # noqa: ARG001 - a table
    first_integration=False,
    skips=(det.RSCD_GROUPS_FIRST, det.RSCD_GROUPS),
    patterns=("FAST", "FASTR1", "SLOW", "SLOWR1"),
):
    """List the groups to throw away after a reset, for every subarray and the given patterns.

    `skips` are those of the first and of later integrations. With `first_integration` the table has the column of
    the first integration that came with jwst 2.0; jwst 1.19 refuses such a file, while later releases read either.
    """
    names = ["FULL", "BRIGHTSKY", "SUB256", "SUB128", "SUB64", "SLITLESSPRISM"]
    names += ["MASK1065", "MASK1140", "MASK1550", "MASKLYOT"]
    columns = [("subarray", "S13"), ("readpatt", "S8"), ("group_skip1", "i4"), ("group_skip", "i4")]
    rows = [(name, pattern, *skips) for name in names for pattern in patterns]
    if not first_integration:
        del columns[2]
        rows = [(*row[:2], row[3]) for row in rows]
    table = fits.BinTableHDU(np.array(rows, dtype=columns), name="RSCD_GROUP_SKIP")
    write(path, header_of(exposure, "rscd", "Groups to skip, synthetic"), [table])


def emicorr(path, exposure, window, samples=500, absent=()):  # noqa: ARG001 - a table of waves
    """Waves of the pick-up and the clocking of the subarray; adds to a file that exists.

    Waves have so many `samples` a period; `absent` are frequencies (Hz) that it has besides, and the data have not.
    """
    known = det.EMI | {f"Hz{frequency:.0f}": (frequency, 5.0) for frequency in absent}
    waves = {
        name: {
            "frequency": frequency,
            "phase_amplitudes": (amplitude * drifts.waveform(np.arange(samples) / samples)).astype(np.float32),
        }
        for name, (frequency, amplitude) in known.items()
    }
    speed = "SLOW" if exposure.readpatt.startswith("SLOW") else "FAST"
    name = f"FULL_{speed}" if exposure.subarray == "FULL" else exposure.subarray
    names = [*drifts.emi_frequencies(exposure), *(waves.keys() - det.EMI.keys())]
    case = {
        "rowclocks": row_clocks(exposure.detector, exposure.window, exposure.readpatt),
        "frameclocks": round(exposure.tframe / 1e-5),
        "freqs": {"FAST": names, "SLOW": {exposure.detector: names}},
    }
    tree = {
        "meta": meta_of("emicorr", "MIRI"),
        "frequencies": waves,
        "subarray_cases": {name: case},
    }
    if Path(path).exists():
        with asdf.open(path) as known:
            tree["subarray_cases"] |= known["subarray_cases"]
    asdf.AsdfFile(tree).write_to(path)


def trappars(path, exposure, window):  # noqa: ARG001 - a table
    """Three families of traps: capture and decay."""
    columns = [(name, "f8") for name in ("capture0", "capture1", "capture2", "decay_param")]
    table = fits.BinTableHDU(np.array(list(traps.FAMILIES), dtype=columns), name="TRAPPARS")
    write(path, header_of(exposure, "trappars", "Traps of the synthetic detector"), [table])
