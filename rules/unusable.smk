rule unusable:
    """Fail for the exposures that cannot be used: what is wrong with them was said before anything ran."""
    output:
        never=f"{RUN.results}/{USABLE}",
    log:
        f"{RUN.results}/logs/unusable.log",
    localrule: True
    conda:
        "../envs/rampflow.yaml"
    params:
        unusable=unusable_exposures,
    script:
        "../scripts/unusable.py"
