"""`python -m bench`: a row a measurement, as a table, and as a list in a JSON file."""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path

from bench import commands
from bench.rows import NAMES, measured
from bench.scale import FULL, QUICK, Row, Scale
from bench.table import lines


async def bench(scale: Scale, wanted: list[str], rows: list[Row]) -> None:
    """Measure, and print each row and add it to `rows` as soon as it is known."""
    async with contextlib.aclosing(measured(scale, wanted)) as measuring:
        async for row in measuring:
            print(*lines(row, rows[-1] if rows else None), sep="\n", flush=True)
            rows.append(row)


def _names(argument: str) -> list[str]:
    names = argument.split(",")
    if unknown := [name for name in names if name not in NAMES]:
        raise argparse.ArgumentTypeError(f"no row has the name {unknown[0]!r}; expected {', '.join(NAMES)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the whole gateway.")
    parser.add_argument("--quick", action="store_true", help="a short run, with the same names")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the rows there, as JSON")
    parser.add_argument("--only", type=_names, default=NAMES, metavar="NAME,NAME", help="some rows alone")
    options = parser.parse_args()
    if options.out is not None and not options.out.parent.is_dir():
        parser.error(f"{options.out.parent} is no folder")
    rows: list[Row] = []
    try:
        commands.run(bench(QUICK if options.quick else FULL, options.only, rows))
    finally:
        if options.out is not None and rows:
            options.out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
