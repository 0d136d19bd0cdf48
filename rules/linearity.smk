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
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        mem_mb=memory_for,
    params:
        settings=settings("linearity"),
        skipped=skipped("linearity"),
        code=code("linearity"),
    script:
        "../scripts/linearity.py"
