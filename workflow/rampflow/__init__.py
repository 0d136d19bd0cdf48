"""JWST Stage 1 (calwebb_detector1) as a Snakemake workflow: ramps to slopes."""

__version__ = "0.1.0"
