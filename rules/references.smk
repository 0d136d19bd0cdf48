checkpoint references:
    """Ask CRDS which reference files the exposures need: one job for the run, and the only one with a network."""
    output:
        answers=answers(),
    log:
        f"{RUN.results}/logs/references.log",
    localrule: True
    conda:
        "../envs/rampflow.yaml"
    params:
        # The raw files are no inputs: only their headers count, which the requests stand for.
        requests=reference_requests,
        terms=reference_terms,
        crds=crds_settings,
        locked=lock_file,
        results=subpath(output.answers, parent=True),
    script:
        "../scripts/references.py"
