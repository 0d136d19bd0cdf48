"""The detector steps on exposures, one module per step, by its name.

Each module has one function, ``run(step)``: it takes the functions of `rampflow.steps`, which know arrays only, over
the exposure of an open `~rampflow.jobs.step.Step`, with its references and parameters. Modules whose names begin with
an underscore are parts that belong to a step, or to several.
"""
