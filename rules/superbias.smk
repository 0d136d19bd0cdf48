rule superbias:
    """Subtract the bias pattern of the detector from every group."""
    input:
        ramp=previous("superbias"),
        references=references("superbias"),
    output:
        ramp=product("superbias"),
        parameters=parameters("superbias"),
        record=record("superbias"),
    log:
        logfile("superbias"),
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        **NEEDS,
    params:
        settings=settings("superbias"),
        skipped=skipped("superbias"),
        code=code("superbias"),
    script:
        "../scripts/superbias.py"
