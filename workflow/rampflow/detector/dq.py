"""Data-quality bits of JWST products.

The names and values are those of the ``PIXELDQ`` and ``GROUPDQ`` arrays of every JWST product
(https://jwst-pipeline.readthedocs.io, "Data Quality Flags"). The first eight bits also fit the
8-bit group flags, where they speak of one group of one pixel.
"""

DO_NOT_USE = 1 << 0
SATURATED = 1 << 1
JUMP_DET = 1 << 2
DROPOUT = 1 << 3
OUTLIER = 1 << 4
PERSISTENCE = 1 << 5
AD_FLOOR = 1 << 6
CHARGELOSS = 1 << 7
RESERVED = 1 << 8
NON_SCIENCE = 1 << 9
DEAD = 1 << 10
HOT = 1 << 11
WARM = 1 << 12
LOW_QE = 1 << 13
RC = 1 << 14
TELEGRAPH = 1 << 15
NONLINEAR = 1 << 16
BAD_REF_PIXEL = 1 << 17
NO_FLAT_FIELD = 1 << 18
NO_GAIN_VALUE = 1 << 19
NO_LIN_CORR = 1 << 20
NO_SAT_CHECK = 1 << 21
UNRELIABLE_BIAS = 1 << 22
UNRELIABLE_DARK = 1 << 23
UNRELIABLE_SLOPE = 1 << 24
UNRELIABLE_FLAT = 1 << 25
OPEN = 1 << 26
ADJ_OPEN = 1 << 27
FLUX_ESTIMATED = 1 << 28
MSA_FAILED_OPEN = 1 << 29
OTHER_BAD_PIXEL = 1 << 30
REFERENCE_PIXEL = 1 << 31

#: Name of every bit as jwst 3.0.0 and stdatamodels have it.
MNEMONICS = {name: value for name, value in globals().items() if name.isupper() and isinstance(value, int)}
#: Names that reference files may have in their ``DQ_DEF`` tables: bit 8 had another one up to jwst 1.19.
REFERENCE_NAMES = MNEMONICS | {"UNRELIABLE_ERROR": RESERVED}
