rule rscd:
    """Flag the groups that the MIRI reset switch charge decay spoils."""
    input:
        ramp=previous("rscd"),
        references=references("rscd"),
    output:
        ramp=product("rscd"),
        parameters=parameters("rscd"),
        record=record("rscd"),
    log:
        logfile("rscd"),
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        **NEEDS,
    params:
        settings=settings("rscd"),
        skipped=skipped("rscd"),
        code=code("rscd"),
    script:
        "../scripts/rscd.py"
