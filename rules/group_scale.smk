rule group_scale:
    """Rescale groups whose frames were averaged on board by another divisor."""
    input:
        ramp=previous("group_scale"),
        references=references("group_scale"),
    output:
        ramp=product("group_scale"),
        parameters=parameters("group_scale"),
        record=record("group_scale"),
    log:
        logfile("group_scale"),
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        **NEEDS,
    params:
        settings=settings("group_scale"),
        skipped=skipped("group_scale"),
        code=code("group_scale"),
    script:
        "../scripts/group_scale.py"
