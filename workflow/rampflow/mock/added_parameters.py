"""One more parameter file in a mock context: it turns steps on and off, and sets their parameters."""

import re
from pathlib import Path

from rampflow.mock.crds_cache import CONTEXT
from rampflow.mock.crds_mappings import INSTRUMENTS, signed
from rampflow.mock.parameter_files import write_parameters


def add_parameters(folder, instrument, reftype, values, steps=None, *, base=CONTEXT, context="jwst_9002.pmap"):
    """Add a context in which one more parameter file holds for all exposures of an instrument.

    Parameters
    ----------
    folder : path
        Root of the cache.
    instrument : str
        Whose file.
    reftype : str
        CRDS type: ``pars-<step>step`` or ``pars-detector1pipeline``.
    values : dict
        Parameters, ``skip`` among them.
    steps : dict, optional
        Of a pipeline's file: step to its parameters.
    base : str
        The context that it differs from.
    context : str
        The new context; the same as `base` changes that one.

    Returns
    -------
    str
        The new context.
    """
    if instrument not in INSTRUMENTS:
        raise ValueError(f"no instrument {instrument!r}; there are {', '.join(INSTRUMENTS)}")
    mappings = Path(folder) / "mappings/jwst"
    new = context.removesuffix(".pmap")[-4:]
    stem = f"jwst_{instrument.lower()}"
    file = f"{stem}_{reftype}_{new}.asdf"
    classes = {step: f"jwst.{step}.{step.title().replace('_', '')}Step" for step in steps or {}}
    write_parameters(
        Path(folder) / "references/jwst" / instrument.lower() / file,
        instrument,
        f"jwst.pipeline.{reftype.removeprefix('pars-').title()}",
        values,
        None if steps is None else {(step, classes[step]): own for step, own in steps.items()},
    )
    rule = f"{stem}_{reftype}_{new}.rmap"
    (mappings / rule).write_text(
        signed(
            "header = {\n"
            "    'classes' : ('Match', 'UseAfter'),\n"
            "    'derived_from' : 'created by hand',\n"
            f"    'filekind' : '{reftype.upper()}',\n"
            f"    'instrument' : '{instrument}',\n"
            "    'mapping' : 'REFERENCE',\n"
            f"    'name' : '{rule}',\n"
            "    'observatory' : 'JWST',\n"
            "    'parkey' : (('META.EXPOSURE.TYPE',), ('META.OBSERVATION.DATE', 'META.OBSERVATION.TIME')),\n"
            f"    'sha1sum' : '{'0' * 40}',\n"
            "}\n\n"
            "selector = Match({\n"
            "    ('ANY',) : UseAfter({\n"
            f"        '2022-01-01 00:00:00' : '{file}',\n"
            "    }),\n"
            "})\n"
        )
    )
    pipeline_map = (mappings / base).read_text()
    present = re.search(rf"'{instrument}' : '(.*)',", pipeline_map)[1]
    instrument_map = (mappings / present).read_text()
    line = rf"'{reftype.upper()}' : .*,"
    if not re.search(line, instrument_map):
        raise ValueError(f"{base} has no type {reftype}")
    instrument_map = re.sub(line, f"'{reftype.upper()}' : '{rule}',", instrument_map)
    for name, text in ((f"{stem}_{new}.imap", instrument_map), (context, pipeline_map)):
        text = text.replace(present, f"{stem}_{new}.imap").replace(base, context)
        (mappings / name).write_text(signed(text))
    return context
