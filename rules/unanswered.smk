rule unanswered:
    """Stop an exposure for which CRDS has no answer, and leave alone what was made of it before."""
    output:
        never=f"{FOLDER}/references/answered",
    log:
        f"{FOLDER}/logs/references.log",
    localrule: True
    conda:
        "../envs/rampflow.yaml"
    params:
        answers=answers(),
    script:
        "../scripts/unanswered.py"
