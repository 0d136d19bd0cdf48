rule charge_migration:
    """Flag groups in which charge migrates between pixels."""
    input:
        ramp=previous("charge_migration"),
        references=references("charge_migration"),
    output:
        ramp=product("charge_migration"),
        parameters=parameters("charge_migration"),
        record=record("charge_migration"),
    log:
        logfile("charge_migration"),
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    threads: threads_for
    resources:
        **NEEDS,
    params:
        settings=settings("charge_migration"),
        skipped=skipped("charge_migration"),
        code=code("charge_migration"),
    script:
        "../scripts/charge_migration.py"
