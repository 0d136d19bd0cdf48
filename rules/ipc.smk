rule ipc:
    """Deconvolve the coupling of neighbouring pixels."""
    input:
        ramp=previous("ipc"),
        references=references("ipc"),
    output:
        ramp=product("ipc"),
        parameters=parameters("ipc"),
        record=record("ipc"),
    log:
        logfile("ipc"),
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        **NEEDS,
    params:
        settings=settings("ipc"),
        skipped=skipped("ipc"),
        code=code("ipc"),
    script:
        "../scripts/ipc.py"
