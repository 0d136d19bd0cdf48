"""Subtract electromagnetic interference from MIRI exposures.

Currents elsewhere in the instrument put waves of a few sharp frequencies (390 Hz, 10 Hz and others, by subarray)
on the read-out. Their period is that of some thousand pixels, so they show as a pattern that drifts from frame
to frame. Every pixel's time of reading is known to the pixel clock, hence its phase in the wave. The emicorr
reference file holds one period of each wave (DN) and says which of them each subarray and read pattern shows.
Waves are subtracted one after the other, each measured in counts from which those before it are gone: by a fit
together with the ramps (`joint`), or by phase in the residuals of the ramps (`sequential`), which can also
measure waves that no reference knows.

The exposure is never held: it is read anew for each wave, in blocks of rows or frames (`Ramp`), and what was
found before is subtracted from what is read. Only then is it corrected, in one further reading. Flags are
neither used, but for PIXELDQ, nor changed.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/emicorr/description.html
"""

from rampflow.steps.emicorr.reference import (
    Case,
    Wave,
    known_clock,
    known_waves,
    measured_reference,
    unknown_waves,
)
from rampflow.steps.emicorr.waves import Correction, Ramp, fit_waves, subtract_waves

__all__ = [
    "Case",
    "Correction",
    "Ramp",
    "Wave",
    "fit_waves",
    "known_clock",
    "known_waves",
    "measured_reference",
    "subtract_waves",
    "unknown_waves",
]
