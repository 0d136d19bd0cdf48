rule firstframe:
    """Flag the first group of every MIRI integration."""
    input:
        ramp=previous("firstframe"),
        references=references("firstframe"),
    output:
        ramp=product("firstframe"),
        parameters=parameters("firstframe"),
        record=record("firstframe"),
    log:
        logfile("firstframe"),
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        **NEEDS,
    params:
        settings=settings("firstframe"),
        skipped=skipped("firstframe"),
        code=code("firstframe"),
    script:
        "../scripts/firstframe.py"
