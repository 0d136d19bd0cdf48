rule emicorr:
    """Subtract electromagnetic interference from MIRI exposures."""
    input:
        ramp=previous("emicorr"),
        references=references("emicorr"),
    output:
        ramp=product("emicorr"),
        parameters=parameters("emicorr"),
        record=record("emicorr"),
    log:
        logfile("emicorr"),
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        **NEEDS,
    params:
        settings=settings("emicorr"),
        skipped=skipped("emicorr"),
        code=code("emicorr"),
    script:
        "../scripts/emicorr.py"
