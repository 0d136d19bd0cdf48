rule science_mask:
    """Have jwst, in an environment of its own, say where NIRSpec's science regions are; only where that is asked for."""
    input:
        fetched=fetched,
    output:
        mask=f"{FOLDER}/masks/{{identity}}.fits",
    log:
        f"{FOLDER}/logs/science_mask_{{identity}}.log",
    wildcard_constraints:
        identity="[0-9a-f]{12}",
    group:
        group_for
    conda:
        DEMAND.masks.environment
    resources:
        **NEEDS,
    params:
        python=DEMAND.masks.python,
        script=str(masks.SCRIPT),
        request=mask_request,
    shell:
        # The workflow's own modules are none of its business.
        "{params.python:q} -E {params.script:q} {params.request:q} {output.mask:q} {log:q}"
