rule ramp_fit:
    """Fit slopes to the ramps: count rates and their errors."""
    input:
        ramp=previous("ramp_fit"),
        references=references("ramp_fit"),
    output:
        rate=product("ramp_fit"),
        rateints=product("ramp_fit", "ints"),
        parameters=parameters("ramp_fit"),
        record=record("ramp_fit"),
    log:
        logfile("ramp_fit"),
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        **NEEDS,
    params:
        settings=settings("ramp_fit"),
        skipped=skipped("ramp_fit"),
        code=code("ramp_fit"),
    script:
        "../scripts/ramp_fit.py"
