"""Take the picture frame, which drifts with the temperature, out of NIRSpec's ramps."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers.picture_frame import PictureFrame

with PictureFrame(snakemake) as step:
    frame = step.find_reference()
    step.correct(frame, step.find_masks())
