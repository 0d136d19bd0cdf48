"""The table of a comparison: its rows, on the screen, as TSV and as JSON."""

import csv
import json
from dataclasses import asdict, dataclass, field

import differences
import environment
import standard


@dataclass
class Row:
    """One line of the table: a product of ours beside the oracle's.

    Attributes
    ----------
    exposure, check, step : str
        ``check`` is "step", "interchange" or "end to end"; ``step`` names the product.
    status : str
        Ours and, where it differs, the oracle's: "COMPLETE", "COMPLETE/SKIPPED". Of a whole pipeline that goes by the
        context alone: of how many steps it is the same, and those where it is not.
    difference : `differences.Difference` or None
        None where there is nothing to compare.
    findings : list of tuple
        Each a `standard.Finding` and the line of ``accepted.tsv`` that accepts it, or None.
    """

    exposure: str
    check: str
    step: str
    status: str = ""
    difference: differences.Difference | None = None
    findings: list = field(default_factory=list)

    @property
    def verdict(self):
        """ "ok", "accepted" or "BEYOND"."""
        if not self.findings:
            return "ok"
        return "accepted" if all(line for _, line in self.findings) else "BEYOND"


COLUMNS = (
    "exposure", "check", "step", "status", "max_absolute", "max_relative", "max_scaled", "relative_beyond",
    "beyond", "nan", "pixeldq", "groupdq", "others_scaled", "verdict",
)  # fmt: skip


def line(row):
    """Return a row's cells, as `COLUMNS` names them."""
    cells = dict.fromkeys(COLUMNS, "")
    cells |= {"exposure": row.exposure, "check": row.check, "step": row.step, "status": row.status}
    cells["verdict"] = row.verdict
    if row.difference is None:
        return cells
    values, flags = row.difference.values, row.difference.flags
    sci = values.get("SCI")
    if sci is not None:
        cells |= {name: f"{getattr(sci, name):.1e}" for name in ("max_absolute", "max_relative", "max_scaled")}
        parts = {name: getattr(sci, name) / max(sci.size, 1) for name in ("relative_beyond", "beyond")}
        cells |= {name: f"{part:.1e}" if part else "0" for name, part in parts.items()}
    cells["nan"] = str(sum(each.nan_mismatches for each in values.values()))
    cells["others_scaled"] = f"{max((v.max_scaled for k, v in values.items() if k != 'SCI'), default=0.0):.1e}"
    for cell, name in (("pixeldq", "PIXELDQ"), ("pixeldq", "DQ"), ("groupdq", "GROUPDQ")):
        if name in flags:
            cells[cell] = f"{flags[name].differing}"
    return cells


def report(rows, folder, options, failure):
    """Print the table and write it as TSV and JSON."""
    lines = [line(row) for row in rows]
    with open(folder / "parity.tsv", "w", newline="") as stream:
        writer = csv.DictWriter(stream, [*COLUMNS, "findings"], delimiter="\t")
        writer.writeheader()
        for row, cells in zip(rows, lines, strict=True):
            writer.writerow(cells | {"findings": "; ".join(finding.text for finding, _ in row.findings)})
    content = {
        "release": options.release,
        "oracle": environment.requirements(options.release)[0],
        "seed": options.seed,
        "workflow": failure or "complete",
        "rows": [
            cells
            | {"difference": row.difference and row.difference.record()}
            | {
                "findings": [
                    asdict(finding) | {"accepted": accepted and accepted["id"]} for finding, accepted in row.findings
                ]
            }
            for row, cells in zip(rows, lines, strict=True)
        ],
    }
    (folder / "parity.json").write_text(json.dumps(content, indent=1, default=str))

    print(f"\nRelease {options.release} beside {environment.requirements(options.release)[0]}")
    print(standard.heading())
    print("SCI: max_absolute to beyond (parts of all elements); pixeldq (or DQ), groupdq: elements that differ;")
    print("others_scaled: largest scaled difference of ERR, VAR_*, ZEROFRAME, AVDRKCUR.\n")
    shown = [name for name in COLUMNS if name != "check"]
    for check in ("step", "interchange", "end to end"):
        table = [cells for cells in lines if cells["check"] == check]
        if table:
            print_table(f"{check} ({len(table)})", shown, table)
    for row in rows:
        for finding, accepted in row.findings:
            label = f"accepted ({accepted['id']}: {accepted['note']})" if accepted else "BEYOND"
            print(f"{row.exposure} {row.check} {row.step}: {label}: {finding.text}")
    remarks = {}
    for row in rows:
        for remark in row.difference.remarks if row.difference else ():
            remarks.setdefault(remark, []).append(row)
    if remarks:
        print("\nOther keywords that differ (not part of the standard):")
        for remark, where in remarks.items():
            first = where[0]
            print(f"  {remark}: {len(where)} products, first {first.exposure} {first.check} {first.step}")
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in ("ok", "accepted", "BEYOND")}
    print(f"\n{len(rows)} products: " + ", ".join(f"{number} {verdict}" for verdict, number in counts.items()))
    if failure:
        print(failure)


def print_table(title, names, table):
    """Print rows in columns as wide as their cells."""
    widths = [max(len(name), *(len(cells[name]) for cells in table)) for name in names]
    print(title)
    for cells in [dict(zip(names, names, strict=True)), *table]:
        print("  ".join(cells[name].ljust(width) for name, width in zip(names, widths, strict=True)).rstrip())
    print()
