rule unanswered:
    """Stop the exposures for which CRDS has no answer, and leave alone what was made of them before."""
    output:
        never=f"{RUN.results}/{ANSWERED}",
    log:
        f"{RUN.results}/logs/unanswered.log",
    localrule: True
    conda:
        "../envs/rampflow.yaml"
    params:
        answers=answers(),
    script:
        "../scripts/unanswered.py"
