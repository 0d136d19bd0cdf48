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
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        mem_mb=memory_for,
    params:
        settings=settings("emicorr"),
        skipped=skipped("emicorr"),
        code=code("emicorr"),
    script:
        "../scripts/emicorr.py"
