rule gain_scale:
    """Rescale count rates taken with a non-standard gain."""
    input:
        rate=previous("gain_scale"),
        rateints=previous("gain_scale", "ints"),
        references=references("gain_scale"),
    output:
        rate=product("gain_scale"),
        rateints=product("gain_scale", "ints"),
        parameters=parameters("gain_scale"),
        record=record("gain_scale"),
    log:
        logfile("gain_scale"),
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        **NEEDS,
    params:
        settings=settings("gain_scale"),
        skipped=skipped("gain_scale"),
        code=code("gain_scale"),
    script:
        "../scripts/gain_scale.py"
