rule refpix:
    """Remove electronic drifts measured by the reference pixels."""
    input:
        ramp=previous("refpix"),
        references=references("refpix"),
    output:
        ramp=product("refpix"),
        parameters=parameters("refpix"),
        record=record("refpix"),
    log:
        logfile("refpix"),
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        **NEEDS,
    params:
        settings=settings("refpix"),
        skipped=skipped("refpix"),
        code=code("refpix"),
    script:
        "../scripts/refpix.py"
