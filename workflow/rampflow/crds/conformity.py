"""Whether a reference file is laid out as its type must be: extensions, axes, images of one size, and what it is for.

What a step cannot work with is a problem before anything runs; keywords that say that a file is for something else
are warnings, as files that users make often carry the header of what they were made from.
"""

from rampflow.io.files import FileProblem

TABLE = "table"
#: Type to the array or table that steps read, and the numbers of axes that it may have. Types that are not here are
#: ASDF, or read only as far as they have something.
LAYOUT = {
    "bkg": ("SCI", (3,)),
    "dark": ("SCI", (3, 4)),
    "flat": ("SCI", (2, 3)),
    "gain": ("SCI", (2,)),
    "ipc": ("SCI", (2, 4)),
    "linearity": ("COEFFS", (3,)),
    "mask": ("DQ", (2,)),
    "persat": ("SCI", (2,)),
    "pictureframe": ("SCI", (2,)),
    "readnoise": ("SCI", (2,)),
    "refpix": ("IRS2", TABLE),
    "reset": ("SCI", (4,)),
    "rscd": ("RSCD_GROUP_SKIP", TABLE),
    "saturation": ("SCI", (2,)),
    "superbias": ("SCI", (2,)),
    "trapdensity": ("SCI", (2,)),
    "trappars": ("TRAPPARS", TABLE),
}
_AXES = {2: "rows, columns", 3: "planes, rows, columns", 4: "integrations, groups, rows, columns"}
#: Types whose DQ steps read; that of a dark may be of every group.
_FLAGGED = ("dark", "flat", "linearity", "mask", "persat", "reset", "saturation", "superbias", "trapdensity")
_FLAGS_OF_GROUPS = ("dark",)
_ASDF = ("emicorr", "sirskernel", "pastasoss", "wavelengthrange")
#: Values of keywords that leave it open.
_ANY = {"", "N/A", "ANY", "ALL", "GENERIC", "MULTIPLE", "COMMON", "UNKNOWN"}
#: Rows and columns of a detector without interleaved reference pixels.
_SQUARE = 2048
#: What long-wave detectors of NIRCam were called on the ground.
_ALIASES = {"NRCA5": "NRCALONG", "NRCB5": "NRCBLONG"}


def check(kind, path, facts, header):
    """Judge a file by the facts that `rampflow.crds.verify.verified` has gathered.

    Parameters
    ----------
    kind : str
        CRDS type.
    path : `~pathlib.Path`
        The file, for messages.
    facts : mapping
        ``arrays``: extension to shape, or "table"; ``keys``: keywords; ``without_numbers``: extensions in which no
        value is finite; ``twice``: extensions whose name is taken; ``nameless``: whether there are flags and no names
        of them. Absent for files that are not FITS.
    header : mapping
        Primary header of the exposure.

    Returns
    -------
    list of str
        What is worth a warning, without the name of the file.

    Raises
    ------
    FileProblem
        No step can work with the file.
    """
    if kind.startswith("pars-") or kind in _ASDF:
        if path.suffix != ".asdf":
            raise FileProblem(f"{path} is not ASDF, as files of type {kind} must be")
        return []
    if kind not in LAYOUT:
        return []
    if "arrays" not in facts:
        raise FileProblem(f"{path} is not FITS, as files of type {kind} must be")
    name, axes = LAYOUT[kind]
    arrays = facts["arrays"]
    if name not in arrays:
        raise FileProblem(
            f"{path} has no extension {name}, as a {kind} reference must; it has {', '.join(arrays) or 'none'}"
        )
    if axes == TABLE:
        if arrays[name] != TABLE:
            raise FileProblem(f"{path}: {name} is an image, expected a table in a {kind} reference")
    else:
        _check_images(kind, path, name, axes, arrays)
    return [
        *_strangeness(kind, facts["keys"], header),
        *_emptiness(name, facts["without_numbers"]),
        *_flags(kind, facts),
        *_sizes(kind, name, arrays[name], facts["keys"]),
    ]


def _check_images(kind, path, name, axes, arrays):
    shape = arrays[name]
    if shape == TABLE:
        raise FileProblem(f"{path}: {name} is a table, expected an image in a {kind} reference")
    if len(shape) not in axes or not all(shape):
        due = " or ".join(f"({_AXES[number]})" for number in axes)
        raise FileProblem(f"{path}: {name} has the shape {_told(shape)}, expected {due} in a {kind} reference")
    flags = arrays.get("DQ", TABLE)
    # The kernel of an ipc reference is not of the detector's size; what it has as DQ is not read.
    if kind != "ipc" and flags != TABLE and list(flags[-2:]) != list(shape[-2:]):
        raise FileProblem(
            f"{path}: DQ has the shape {_told(flags)} and {name} {_told(shape)}, expected the same rows and columns"
        )
    if kind in _FLAGGED and kind not in _FLAGS_OF_GROUPS and flags != TABLE and len(flags) != 2:
        raise FileProblem(f"{path}: DQ has the shape {_told(flags)}, expected (rows, columns) in a {kind} reference")


def _told(shape):
    return f"({', '.join(map(str, shape))})"


def _strangeness(kind, keys, header):
    """Name keywords of the file that are of another type, instrument or detector."""
    for key, expected in (
        ("REFTYPE", kind),
        ("INSTRUME", header.get("INSTRUME")),
        ("DETECTOR", header.get("DETECTOR")),
    ):
        found, due = (_ALIASES.get(word, word) for word in (_word(keys.get(key)), _word(expected)))
        if found not in _ANY and due not in _ANY and found != due:
            yield f"its {key} is {found}, expected {due}: is it the right file?"


def _word(value):
    return str(value if value is not None else "").strip().upper()


def _flags(kind, facts):
    """Say where extensions are doubled, and where flags are missing, or their names, by which bits are known."""
    for name in dict.fromkeys(filter(None, facts["twice"])):
        yield f"it has {name} more than once; the first is taken"
    if kind in _FLAGGED and facts["arrays"].get("DQ", TABLE) == TABLE:
        yield "it has no DQ, so that it flags no pixel"
    elif kind == "refpix" and "DQ" not in facts["arrays"]:
        yield "it has no DQ, so that no reference read between the pixels counts as bad by it"
    elif kind in _FLAGGED and facts["nameless"]:
        yield "it has no DQ_DEF with the names of its flags: the bits of its DQ are taken as those of JWST's products"


def _sizes(kind, name, shape, keys):
    """Say where the size of an array is not that which keywords give."""
    # A kernel is not of the detector's size; the interleaved rows of IRS2 frames are counted by some and not by others.
    if kind == "ipc" or shape == TABLE or shape[-2] > _SQUARE:
        return
    for key, length, what in (("SUBSIZE1", shape[-1], "columns"), ("SUBSIZE2", shape[-2], "rows")):
        if keys.get(key) not in (None, length):
            yield f"{key} is {keys[key]} where {name} has {length} {what}; the array is followed"


def _emptiness(name, without_numbers):
    if name in without_numbers:
        yield f"no value of {name} is a finite number"
