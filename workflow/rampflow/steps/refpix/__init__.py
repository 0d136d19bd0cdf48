"""Subtract the drift of the readout electronics, measured with the reference pixels.

A border of pixels along the edges of each detector is blind to light but goes through the same amplifiers
as the others. What those pixels show, group by group, is the bias level of the moment: it differs between
amplifiers (and between their odd and even columns) and wanders from row to row while a frame is read ("1/f
noise").

Near infrared, whole detector or any subarray that is read through four amplifiers: each amplifier owns 512
columns. From its odd and even columns the level of the reference pixels in the four rows at either end is
subtracted; then, from each row, the running median of the four reference pixels at either side. Subarrays
read through one amplifier: the level of whatever reference pixels they contain, for odd and even columns.
Multistripe frames: for odd and even columns of each amplifier the level of all their reference pixels.
MIRI, full frame: all four outputs serve every row in turn; the first group is taken as zero point, and the
level of the reference pixels at both ends of the rows is subtracted per output, for odd and even rows.

Units: DN in and out. There is no reference file. Group flags play no role: which reference pixels are good
is told by PIXELDQ, so it is settled once for an exposure, in `plan_correction`; `correct_groups` then
treats every group on its own.

Groups are worked on in double precision and rounded once, but in single precision, rounded after every
operation, for MIRI, in the first group of an exposure, and wherever the side pixels are not used: so does jwst,
and the two then agree to the last bit. The difference is a few times the rounding of the levels.

Sources: https://jwst-pipeline.readthedocs.io/en/stable/jwst/refpix/description.html;
https://jwst-docs.stsci.edu, "NIR detector performance" (reference pixels, 1/f noise). NIRSpec's IRS2
readout is in `irs2`, the optimised side filter ("sirs") in `sirs`, the geometry in `geometry`.
"""

from rampflow.steps.refpix.groups import correct_groups, correct_zeroframes
from rampflow.steps.refpix.planning import plan_correction, wants_kernels

__all__ = ["correct_groups", "correct_zeroframes", "plan_correction", "wants_kernels"]
