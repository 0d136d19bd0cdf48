rule jump:
    """Flag cosmic-ray hits."""
    input:
        ramp=previous("jump"),
        references=references("jump"),
    output:
        ramp=product("jump"),
        parameters=parameters("jump"),
        record=record("jump"),
    log:
        logfile("jump"),
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        **NEEDS,
    params:
        settings=settings("jump"),
        skipped=skipped("jump"),
        code=code("jump"),
    script:
        "../scripts/jump.py"
