"""What a product was made with: digests of the code that a step runs.

Snakemake reruns a rule when its script file changes, but not when a module that the script imports does. The
digest of those modules is a parameter of every rule, so an edited step reruns itself and what follows it. It
depends on content only: touching a file changes nothing.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent
#: How jobs are started, planned and told about references does not change what is in a product.
NOT_PRODUCT = {"memory", "warm", "server", "run", "plan", "config", "release", "exposures", "references", "provenance"}


@cache
def _imports(path):
    """Files of the package that a file imports, directly."""
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            if parts[0] == "rampflow" and len(parts) > 1 and parts[1] not in NOT_PRODUCT:
                module = PACKAGE.joinpath(*parts[1:])
                for file in (module.with_suffix(".py"), module / "__init__.py"):
                    if file.is_file():
                        found.add(file)
    return found


def code_digest(script):
    """Digest of a script and of the package's modules that it runs.

    Parameters
    ----------
    script : path-like
        The script of a rule.

    Returns
    -------
    str
        Hexadecimal, 16 digits.
    """
    script = Path(script)
    files, todo = set(), [script]
    while todo:
        file = todo.pop()
        if file not in files:
            files.add(file)
            todo.extend(_imports(file))
    total = hashlib.sha256()
    for file in sorted(files, key=lambda f: (f.parent.name, f.name)):
        total.update(file.name.encode() + b"\0" + file.read_bytes())
    return total.hexdigest()[:16]
