rule clean_flicker_noise:
    """Take flicker (1/f) noise out of the ramps."""
    input:
        ramp=previous("clean_flicker_noise"),
        references=references("clean_flicker_noise"),
        user=user_file("clean_flicker_noise", "user_mask"),
        mask=science_mask("clean_flicker_noise"),
    output:
        ramp=product("clean_flicker_noise"),
        parameters=parameters("clean_flicker_noise"),
        record=record("clean_flicker_noise"),
    log:
        logfile("clean_flicker_noise"),
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        **NEEDS,
    params:
        settings=settings("clean_flicker_noise"),
        skipped=skipped("clean_flicker_noise"),
        code=code("clean_flicker_noise"),
    script:
        "../scripts/clean_flicker_noise.py"
