rule lastframe:
    """Flag the last group of every MIRI integration."""
    input:
        ramp=previous("lastframe"),
        references=references("lastframe"),
    output:
        ramp=product("lastframe"),
        parameters=parameters("lastframe"),
        record=record("lastframe"),
    log:
        logfile("lastframe"),
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        **NEEDS,
    params:
        settings=settings("lastframe"),
        skipped=skipped("lastframe"),
        code=code("lastframe"),
    script:
        "../scripts/lastframe.py"
