"""Where the workflow's own files are: in a clone, in an editable install, and in an installed package.

A wheel carries a copy of what lies beside the package in a clone (``pyproject.toml`` lists it), with the same names in
the same order of folders. Imports the standard library alone, as the workflow's own process reads it at every start.
"""

from pathlib import Path

PACKAGE = Path(__file__).parent
_INSTALLED = PACKAGE / "_workflow"

#: Folder of the Snakefile, ``rules/``, ``scripts/``, ``profiles/``, ``config/`` and ``envs/``.
HOME = _INSTALLED if _INSTALLED.is_dir() else PACKAGE.parents[1]
#: Folder of ``releases/`` and ``schemas/``, and of what jobs need on their import path.
WORKFLOW = HOME / "workflow"
SNAKEFILE = HOME / "Snakefile"
