rule picture_frame:
    """Take the picture frame, which drifts with the temperature, out of NIRSpec's ramps."""
    input:
        ramp=previous("picture_frame"),
        references=references("picture_frame"),
        user=user_file("picture_frame", "user_mask"),
        mask=science_mask("picture_frame"),
    output:
        ramp=product("picture_frame"),
        parameters=parameters("picture_frame"),
        record=record("picture_frame"),
    log:
        logfile("picture_frame"),
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        **NEEDS,
    params:
        settings=settings("picture_frame"),
        skipped=skipped("picture_frame"),
        code=code("picture_frame"),
    script:
        "../scripts/picture_frame.py"
