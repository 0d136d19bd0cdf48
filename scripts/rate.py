"""Give the count rates their final names."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers.gain_scale import Final

with Final(snakemake):
    pass
