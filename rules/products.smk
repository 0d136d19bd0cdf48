rule rate:
    """Give the count rates their final names."""
    input:
        rate=last_product(),
        rateints=last_product("ints"),
    output:
        rate=final("rate"),
        rateints=final("rateints"),
    log:
        logfile("rate"),
    conda:
        "../envs/rampflow.yaml"
    script:
        "../scripts/rate.py"


rule ramp:
    """Keep the calibrated ramp: the state immediately before the ramp fit."""
    input:
        ramp=calibrated_ramp,
    output:
        ramp=final("ramp"),
    log:
        logfile("ramp"),
    conda:
        "../envs/rampflow.yaml"
    script:
        "../scripts/ramp.py"
