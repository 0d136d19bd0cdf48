"""Bounds for ASDF files, judged before anything loads them: size, depth, aliases, memory.

What loads YAML follows nesting on the machine's stack and writes aliases out, and what loads arrays allocates what a
header promises: a small file can end the process, or fill the memory. Here the tree is read as a stream of events,
and the blocks by their headers; compressed ones are inflated bit by bit and thrown away.
"""

import bz2
import re
import struct
import zlib
from dataclasses import dataclass
from math import prod

from rampflow.io.files import FileProblem

_BLOCK = b"\xd3BLK"
#: After magic and length of the header: flags, compression, bytes allocated, used, and when inflated.
_HEADER = struct.Struct(">I4sQQQ")
#: As asdf has it: what follows must be the same for both.
_END = re.compile(rb"\r?\n\.\.\.(\r?\n|\Z)")
#: Characters of what may be a number: a longer one takes a time that grows with the square of its length.
_LONGEST_NUMBER = 1000
_STEP = 1 << 16


@dataclass(frozen=True)
class Bounds:
    """What a file may hold.

    Attributes
    ----------
    size : int
        Bytes of the file.
    tree : int
        Bytes of its YAML part.
    depth : int
        Levels of nesting, aliases written out.
    nodes : int
        Mappings, lists and values, aliases written out.
    memory : int
        Bytes of all blocks when inflated, and of any one array.
    """

    size: int
    tree: int
    depth: int
    nodes: int
    memory: int


#: A parameter file has a few kB.
PARAMETERS = Bounds(size=4 << 20, tree=1 << 20, depth=32, nodes=20_000, memory=4 << 20)
#: A reference file has tables and arrays.
REFERENCE = Bounds(size=1 << 30, tree=64 << 20, depth=64, nodes=1_000_000, memory=512 << 20)


def read(path, limits):
    """Read the tree of an ASDF file as plain values, and make sure that its arrays can be loaded.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.
    limits : Bounds
        What it may hold.

    Returns
    -------
    tree : dict
        Mappings, lists and values; no tag makes anything else.
    has_blocks : bool
        Whether blocks with arrays follow the tree.

    Raises
    ------
    FileProblem
        It is not an ASDF file, not whole, or beyond the limits: the message names the file, what was found, and
        what was expected.
    """
    size = path.stat().st_size
    if size > limits.size:
        raise FileProblem(f"{path} has {size} bytes, expected at most {limits.size} of such a file")
    with open(path, "rb") as stream:
        head = stream.read(limits.tree)
        if not head.startswith(b"#ASDF"):
            raise FileProblem(f"{path} is not an ASDF file: it does not begin with #ASDF")
        end = _END.search(head)
        if len(head) < size and (end is None or end.end() == len(head)):
            raise FileProblem(f"{path}: its tree does not end within {limits.tree} bytes, expected of such a file")
        if end is None:
            raise FileProblem(f"{path} is truncated: its tree has no end")
        tree = head[: end.end()] + b"\n"
        _check_events(path, tree, limits)
        loaded = _load(path, tree)
        _check_arrays(path, loaded, limits)
        rest = end.end()
        # White space may stand between the tree and the first block.
        while rest < size and head[rest : rest + 1].isspace():
            rest += 1
        _check_blocks(path, stream, rest, size, limits)
    return loaded, rest < size


# --- the tree --------------------------------------------------------------------------------------------


def _events(path, tree):
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        yield from yaml.parse(tree, Loader=loader)
    except (yaml.YAMLError, ValueError) as error:
        raise FileProblem(f"{path}: its tree is not YAML: {' '.join(str(error).split())}; it is corrupt") from None


def _check_events(path, tree, limits):
    """Count nodes and depth, every alias as what it stands for."""
    import yaml

    known, documents, total = {}, 0, 0
    # Of every mapping and list that is open: its anchor, nodes before it, and the levels below it.
    open_nodes = []

    def add(nodes, height):
        nonlocal total
        total += nodes
        if open_nodes:
            open_nodes[-1][2] = max(open_nodes[-1][2], height)
        if total > limits.nodes:
            raise FileProblem(f"{path}: its tree has more than {limits.nodes} nodes with its aliases written out")
        if len(open_nodes) + height > limits.depth:
            raise FileProblem(f"{path}: its tree is nested more than {limits.depth} levels deep")

    for event in _events(path, tree):
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise FileProblem(f"{path}: its tree is more than one YAML document; it is corrupt")
        elif isinstance(event, yaml.AliasEvent):
            if known.get(event.anchor) is None:
                what = "stands for itself" if event.anchor in known else "stands for nothing"
                raise FileProblem(f"{path}: line {event.start_mark.line + 1}: the alias *{event.anchor} {what}")
            add(*known[event.anchor])
        elif isinstance(event, yaml.ScalarEvent):
            text = event.value
            if len(text) > _LONGEST_NUMBER and text[:1] in "+-.0123456789":
                raise FileProblem(
                    f"{path}: line {event.start_mark.line + 1}: a number of {len(text)} characters, expected at most "
                    f"{_LONGEST_NUMBER}"
                )
            if event.anchor:
                known[event.anchor] = (1, 0)
            add(1, 0)
        elif isinstance(event, yaml.CollectionStartEvent):
            if event.anchor:
                known[event.anchor] = None
            open_nodes.append([event.anchor, total, 0])
            add(1, 0)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before, height = open_nodes.pop()
            if anchor:
                known[anchor] = (total - before, height + 1)
            add(0, height + 1)


def _check_arrays(path, tree, limits):
    """Refuse arrays that are larger than they may be, or elsewhere; the tree is known to be small."""
    for node in _mappings(tree):
        if "$ref" in node:
            raise FileProblem(f"{path}: refers to another file ({node['$ref']}), expected one that stands alone")
        if not ("source" in node and {"shape", "datatype"} & node.keys()):
            continue
        if not isinstance(node["source"], int):
            raise FileProblem(
                f"{path}: an array is elsewhere ({str(node['source'])[:80]}), expected one that stands alone"
            )
        shape = node.get("shape") or []
        counts = [number for number in shape if isinstance(number, int)] if isinstance(shape, list) else []
        if any(number < 0 for number in counts) or prod(counts) * _item_size(node.get("datatype")) > limits.memory:
            raise FileProblem(f"{path}: an array of shape {str(shape)[:80]}, expected at most {limits.memory} bytes")


def _item_size(datatype):
    """Bytes of a value, at least."""
    if isinstance(datatype, list) and len(datatype) == 2 and isinstance(datatype[1], int):
        return max(1, datatype[1])
    if isinstance(datatype, list):
        return sum(_item_size(field.get("datatype") if isinstance(field, dict) else field) for field in datatype) or 1
    bits = re.search(r"\d+$", str(datatype))
    return max(1, int(bits[0]) // 8) if bits else 1


def _mappings(tree):
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            yield node
            todo += node.values()
        elif isinstance(node, list | tuple):
            todo += node


def _load(path, tree):
    """Load a tree that is within its limits as plain values."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        """Loads YAML as plain values: a tag that it does not know is passed over, and the value behind it is read."""

        def untagged(self, node):
            if isinstance(node, yaml.MappingNode):
                return self.construct_mapping(node, deep=True)
            if isinstance(node, yaml.SequenceNode):
                return self.construct_sequence(node, deep=True)
            return self.construct_scalar(node)

    Loader.add_constructor(None, Loader.untagged)
    try:
        found = yaml.load(tree, Loader=Loader)
    except (yaml.YAMLError, ValueError, TypeError, ArithmeticError, AttributeError, LookupError) as error:
        raise FileProblem(f"{path}: its tree is not YAML: {' '.join(str(error).split())}; it is corrupt") from None
    if not isinstance(found, dict):
        raise FileProblem(f"{path}: its tree is not a mapping; it is corrupt")
    return found


# --- blocks ----------------------------------------------------------------------------------------------


def _check_blocks(path, stream, offset, size, limits):
    """Follow the blocks to the end of the file, or to the index behind them."""
    total = 0
    while offset < size:
        stream.seek(offset)
        head = stream.read(6 + _HEADER.size)
        if head[:4] != _BLOCK:
            if head.startswith(b"#ASDF BLOCK INDEX"):
                return
            raise FileProblem(f"{path}: no block where one is due (byte {offset}); it is corrupt")
        if len(head) < 6 + _HEADER.size:
            raise FileProblem(f"{path} is truncated inside the header of a block")
        flags, compression, allocated, used, inflated = _HEADER.unpack(head[6:])
        data = offset + 6 + int.from_bytes(head[4:6], "big")
        if flags & 1:
            # A block that goes on to the end of the file.
            allocated = used = inflated = size - data
        if used > allocated or data + allocated > size:
            raise FileProblem(f"{path} is truncated: a block should end at byte {data + allocated} of {size}")
        total += inflated
        if total > limits.memory:
            raise FileProblem(f"{path}: its arrays take {total} bytes, expected at most {limits.memory}")
        if compression.strip(b"\0 "):
            stream.seek(data)
            found = _inflated(path, stream, compression, used, inflated)
            if found != inflated:
                raise FileProblem(f"{path}: a block inflates to {found} bytes or more, expected {inflated}")
        offset = data + allocated


def _inflated(path, stream, compression, used, promised):
    """Return how many bytes a compressed block holds; more than promised is not looked for."""
    if compression == b"lz4\0":
        return _lz4_size(path, stream, used)
    if compression not in (b"zlib", b"bzp2"):
        raise FileProblem(f"{path}: a block is compressed as {compression!r}, expected zlib, bzp2 or lz4")
    engine = zlib.decompressobj() if compression == b"zlib" else bz2.BZ2Decompressor()
    total, waiting = 0, b""
    try:
        while total <= promised and not engine.eof:
            if not waiting and (compression == b"zlib" or engine.needs_input):
                waiting = stream.read(min(_STEP, used))
                used -= len(waiting)
                if not waiting:
                    break
            total += len(engine.decompress(waiting, _STEP))
            waiting = engine.unconsumed_tail if compression == b"zlib" else b""
    except (zlib.error, OSError, EOFError) as error:
        raise FileProblem(f"{path}: a block cannot be inflated: {error}; it is corrupt") from None
    return total


def _lz4_size(path, stream, used):
    """Sum up what the pieces of a block say of their size, in front of each."""
    total = 0
    while used >= 8:
        length, size = struct.unpack(">I", stream.read(4))[0], struct.unpack("<I", stream.read(4))[0]
        if not 4 <= length <= used - 4:
            raise FileProblem(f"{path}: a block cannot be inflated: a piece of {length} bytes in it; it is corrupt")
        stream.seek(length - 4, 1)
        total, used = total + size, used - 4 - length
    return total
