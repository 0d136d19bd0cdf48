rule portion:
    """Work on some exposures: an ordinary run, as one job of a cluster, or one after the other."""
    input:
        answers(),
    output:
        touch(f"{RUN.results}/runs/{{run}}/{{portion}}.done"),
    log:
        f"{RUN.results}/runs/{{run}}/{{portion}}.log",
    conda:
        "../envs/rampflow.yaml"
    threads: lambda wildcards: RUN.needs.portion_threads(RUN.portions[wildcards.portion])
    resources:
        mem_mb=lambda wildcards, threads, attempt: attempt
        * RUN.needs.portion_memory(RUN.portions[wildcards.portion], threads),
        runtime=lambda wildcards, attempt: attempt * RUN.needs.portion_minutes(RUN.portions[wildcards.portion]),
        disk_mb=lambda wildcards: RUN.needs.portion_disk(RUN.portions[wildcards.portion]),
    params:
        exposures=lambda wildcards: RUN.portions[wildcards.portion],
        on_cluster=ON_CLUSTER,
        inherited=inherited(workflow, ON_CLUSTER),
    script:
        "../scripts/portion.py"
