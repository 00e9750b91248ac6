"""`python -m bench`: a row a measurement, as a table, and as a list in a JSON file."""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path

from bench import commands
from bench.rows import FULL, QUICK, Row, Scale, measured
from bench.table import lines


async def bench(scale: Scale) -> list[Row]:
    """Measure, and print each row as soon as it is known."""
    rows: list[Row] = []
    async with contextlib.aclosing(measured(scale)) as measuring:
        async for row in measuring:
            print(*lines(row, rows[-1] if rows else None), sep="\n", flush=True)
            rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the whole gateway.")
    parser.add_argument("--quick", action="store_true", help="a short run, with the same names")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the rows there, as JSON")
    options = parser.parse_args()
    if options.out is not None and not options.out.parent.is_dir():
        parser.error(f"{options.out.parent} is no folder")
    rows = commands.run(bench(QUICK if options.quick else FULL))
    if options.out is not None:
        options.out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
