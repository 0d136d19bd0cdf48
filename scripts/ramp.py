"""Keep the calibrated ramp under its final name."""

from rampflow.warm import handoff

handoff()

from rampflow.rates import Final

with Final(snakemake):
    pass
