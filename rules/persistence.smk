rule persistence:
    """Correct for what earlier light has left in the detector, or flag it."""
    input:
        ramp=previous("persistence"),
        references=references("persistence"),
        carried=judged("persistence", carried_from),
    output:
        ramp=product("persistence"),
        carried=carried(),
        parameters=parameters("persistence"),
        record=record("persistence"),
    log:
        logfile("persistence"),
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        **NEEDS,
    params:
        settings=settings("persistence"),
        skipped=skipped("persistence"),
        code=code("persistence"),
    script:
        "../scripts/persistence.py"
