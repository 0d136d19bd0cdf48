"""Give the count rates their final names."""

from rampflow.warm import handoff

handoff()

from rampflow.rates import Final

with Final(snakemake):
    pass
