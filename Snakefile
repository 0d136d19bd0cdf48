# rampflow: JWST Stage 1 (calwebb_detector1, ramps to slopes). Start with README.md; every key of the
# configuration is in config/README.md. The order of the steps is the table of the release
# (workflow/releases/); an exposure's chain follows from its instrument, its mode and CRDS's parameter files.
include: "rules/common.smk"


from snakemake.utils import min_version

min_version("9.27.1")


report: "workflow/report/workflow.rst"


rule all:
    input:
        wanted,
        answers(),
        RUN.unusable,


include: "rules/references.smk"
include: "rules/unanswered.smk"
include: "rules/unusable.smk"


if DEMAND.copies.any():

    include: "rules/retrieve.smk"


if DEMAND.masks.python:

    include: "rules/science_mask.smk"


for step in PLAN.possible_steps:

    include: f"rules/{step}.smk"


include: "rules/products.smk"
include: "rules/portion.smk"


onstart:
    start_server()


onsuccess:
    stop_server("complete")


onerror:
    stop_server("failed")
