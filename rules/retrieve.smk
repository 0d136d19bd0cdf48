rule retrieve:
    """Fetch a raw exposure from its store when its turn comes; the copy goes when no job needs it any more."""
    output:
        raw=temp(f"{FOLDER}/raw/{{identity}}/{{exposure}}_uncal.fits"),
        note=f"{FOLDER}/raw/{{identity}}.json",
    log:
        f"{FOLDER}/logs/{{identity}}/retrieve.log",
    wildcard_constraints:
        identity="[0-9a-f]{12}",
    # Exposures that are here are worked on before others are fetched.
    priority: -1
    group:
        group_for
    conda:
        "../envs/rampflow.yaml"
    resources:
        **NEEDS,
    params:
        stored=stored,
        storage=PLAN.config["storage"],
    script:
        "../scripts/retrieve.py"
