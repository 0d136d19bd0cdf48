rule dq_init:
    """Flag the detector's known bad pixels."""
    input:
        ramp=previous("dq_init"),
        references=references("dq_init"),
        user=user_file("dq_init", "user_supplied_dq"),
    output:
        ramp=product("dq_init"),
        parameters=parameters("dq_init"),
        record=record("dq_init"),
    log:
        logfile("dq_init"),
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        **NEEDS,
    params:
        settings=settings("dq_init"),
        skipped=skipped("dq_init"),
        code=code("dq_init"),
    script:
        "../scripts/dq_init.py"
