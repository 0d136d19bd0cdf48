"""Reference files: asked of CRDS in one place, verified, and handed to the steps as small pointer files."""
