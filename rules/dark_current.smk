rule dark_current:
    """Subtract the dark signal, group by group."""
    input:
        ramp=previous("dark_current"),
        references=references("dark_current"),
    output:
        ramp=product("dark_current"),
        parameters=parameters("dark_current"),
        record=record("dark_current"),
    log:
        logfile("dark_current"),
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        **NEEDS,
    params:
        settings=settings("dark_current"),
        skipped=skipped("dark_current"),
        code=code("dark_current"),
    script:
        "../scripts/dark_current.py"
