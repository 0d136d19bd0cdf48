checkpoint references:
    """Ask CRDS which reference files the exposure needs."""
    input:
        uncal=uncal,
    output:
        asked=asked(),
    log:
        logfile("references"),
    conda:
        "../envs/rampflow.yaml"
    params:
        types=reference_types,
        overrides=overrides,
        crds=crds_settings,
        folder=f"{FOLDER}/references",
    script:
        "../scripts/references.py"
