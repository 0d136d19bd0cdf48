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
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        mem_mb=memory_for,
    params:
        settings=settings("ipc"),
        skipped=skipped("ipc"),
        code=code("ipc"),
    script:
        "../scripts/ipc.py"
