"""What jwst says in its products of how it made them: the log of the pipeline, with the parameters of every step.

jwst 1.18 and later keep the log in the ASDF extension, as ``cal_logs``. A pipeline, and a step that runs by itself,
writes there, before it begins, all of its parameters as YAML.
"""

import os
import re

import yaml

from rampflow.errors import FileProblem

#: A block of the tree begins at the edge; what belongs to it is indented, or an empty line within a text.
_BLOCK = re.compile(rb"(?m)^cal_logs:.*(?:\n(?:[ \-\r].*|(?=\n)))*")
_PARAMETERS = re.compile(r" Step (\S+) parameters\s+are:\n(.*)", re.DOTALL)
#: Bytes of the longest log that is read.
_LONGEST = 1 << 26


def logged_parameters(product):
    """Read the parameters with which jwst made a product.

    Parameters
    ----------
    product : `~rampflow.io.files.Product`
        An open product.

    Returns
    -------
    list of (str, dict)
        Name of a pipeline or step and its parameters, in the order in which they ran: name to text, to a list of text,
        or to a dict of such (``steps`` of a pipeline). Empty where the product has no log.

    Raises
    ------
    FileProblem
        There is a log and it cannot be read.
    """
    if "ASDF" not in product:
        return []
    hdu = product.hdu("ASDF")
    content = os.pread(product.descriptor, min(hdu.size, _LONGEST), hdu.offset)
    end = content.find(b"\n...")
    block = _BLOCK.search(content if end < 0 else content[:end])
    if block is None:
        return []
    try:
        logs = _texts(block.group())["cal_logs"]
        entries = [entry for log in logs.values() for entry in log]
        found = [match.groups() for entry in entries if (match := _PARAMETERS.search(entry))]
        return [(name, _texts(parameters)) for name, parameters in found]
    # The loader has errors of its own, and a log may be of any form.
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, KeyError) as error:
        why = " ".join(str(error).split())
        raise FileProblem(f"{product.path}: its log, cal_logs, cannot be read ({why}); take another copy") from None


def _texts(content):
    """Load YAML in which all values stay text."""
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    return yaml.load(content, Loader=loader)
