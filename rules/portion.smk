rule portion:
    """Work on some exposures in one job of a cluster: an ordinary run, on its node."""
    input:
        answers(),
    output:
        touch(f"{RUN.results}/runs/{{run}}/{{portion}}.done"),
    log:
        f"{RUN.results}/runs/{{run}}/{{portion}}.log",
    conda:
        "../envs/rampflow.yaml"
    threads: lambda wildcards: RUN.portion_threads(wildcards.portion)
    resources:
        mem_mb=lambda wildcards, threads, attempt: RUN.portion_memory(wildcards.portion, threads) * attempt,
        runtime=lambda wildcards, attempt: RUN.portion_minutes(wildcards.portion) * attempt,
        disk_mb=lambda wildcards: RUN.portion_disk(wildcards.portion),
    params:
        exposures=lambda wildcards: RUN.portion(wildcards.portion),
    script:
        "../scripts/portion.py"
