rule linearity:
    """Correct the non-linear response of the pixels."""
    input:
        ramp=previous("linearity"),
        references=references("linearity"),
    output:
        ramp=product("linearity"),
        parameters=parameters("linearity"),
        record=record("linearity"),
    log:
        logfile("linearity"),
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        **NEEDS,
    params:
        settings=settings("linearity"),
        skipped=skipped("linearity"),
        code=code("linearity"),
    script:
        "../scripts/linearity.py"
