rule rate:
    """Give the count rates their final names."""
    input:
        rate=last_product(),
        rateints=last_product("ints"),
        # Nothing is read: but a job whose exposure is asked about anew has to be thought over anew.
        references=references("rate"),
    output:
        # The first is the same file as its input: Snakemake gives outputs their times in this order, and refuses one
        # that is older than an input.
        rateints=shown(final("rateints"), "rateints", "count rates of integrations"),
        rate=shown(final("rate"), "rate", "count rates"),
        record=record("rate"),
    log:
        logfile("rate"),
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    resources:
        **NEEDS,
    params:
        code=code("rate"),
        apart=last_is_kept_by_name,
    script:
        "../scripts/rate.py"


rule ramp:
    """Keep the calibrated ramp: the state immediately before the ramp fit."""
    input:
        ramp=judged("ramp", calibrated_ramp),
        references=references("ramp"),
    output:
        ramp=shown(final("ramp"), "ramp", "calibrated ramp"),
        record=record("ramp"),
    log:
        logfile("ramp"),
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    resources:
        **NEEDS,
    params:
        code=code("ramp"),
        skipped=skipped("ramp"),
    script:
        "../scripts/ramp.py"
