"""Tables as files that other programs read, and for the terminal."""

import csv


def write_tsv(path, columns, rows):
    """Write rows, dicts by columns, separated by tabs; None is an empty cell."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def aligned(table):
    """Set out rows of text, of equal length, in columns; return a list of lines."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in table]
