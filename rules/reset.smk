rule reset:
    """Subtract the reset anomaly of the MIRI detectors."""
    input:
        ramp=previous("reset"),
        references=references("reset"),
    output:
        ramp=product("reset"),
        parameters=parameters("reset"),
        record=record("reset"),
    log:
        logfile("reset"),
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        **NEEDS,
    params:
        settings=settings("reset"),
        skipped=skipped("reset"),
        code=code("reset"),
    script:
        "../scripts/reset.py"
