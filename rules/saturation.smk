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
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        **NEEDS,
    params:
        settings=settings("saturation"),
        skipped=skipped("saturation"),
        code=code("saturation"),
    script:
        "../scripts/saturation.py"
