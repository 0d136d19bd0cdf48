rule saturation:
    """Flag groups at full well or at the floor of the converter."""
    input:
        ramp=previous("saturation"),
        references=references("saturation"),
    output:
        ramp=product("saturation"),
        parameters=parameters("saturation"),
        record=record("saturation"),
    log:
        logfile("saturation"),
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        mem_mb=memory_for,
    params:
        settings=settings("saturation"),
        skipped=skipped("saturation"),
        code=code("saturation"),
    script:
        "../scripts/saturation.py"
