"""Files that are made from others and kept in the repository.

python tools/generate.py protos envoy vectors  # write these
python tools/generate.py --check               # compare all; exit 1 and name what is out of step
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Product:
    """`make` fills an empty folder with what belongs into `folder`."""

    folder: Path
    make: Callable[[Path], None]


def _protos(out: Path) -> None:
    source = ROOT / "protos/privatelink/v1"
    _run(
        "-m",
        "grpc_tools.protoc",
        f"-I{source}",
        f"--python_out={out}",
        f"--pyi_out={out}",
        "privatelink.proto",
    )


def _envoy(out: Path) -> None:
    bootstrap = _run("-m", "extproc", "envoy", "-c", "envoy/gateway.yaml")
    (out / "envoy.yaml").write_bytes(bootstrap)


def _vectors(out: Path) -> None:
    _run("-m", "tests.vectors.make", str(out))


def _run(*arguments: str) -> bytes:
    run = subprocess.run([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if run.returncode != 0:
        sys.exit(f"generate: python {' '.join(arguments)} failed")
    return run.stdout


PRODUCTS = {
    "protos": Product(ROOT / "extproc/link/pb", _protos),
    "envoy": Product(ROOT / "envoy", _envoy),
    "vectors": Product(ROOT / "tests/vectors", _vectors),
}


def _differences(name: str) -> list[str]:
    product = PRODUCTS[name]
    with tempfile.TemporaryDirectory() as folder:
        product.make(Path(folder))
        return [
            f"{kept.relative_to(ROOT)} is out of step: run 'make {name}'"
            for made in sorted(Path(folder).iterdir())
            if not (kept := product.folder / made.name).is_file() or kept.read_bytes() != made.read_bytes()
        ]


def _write(name: str) -> None:
    product = PRODUCTS[name]
    with tempfile.TemporaryDirectory() as folder:
        product.make(Path(folder))
        shutil.copytree(folder, product.folder, dirs_exist_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("products", nargs="*", metavar="PRODUCT", help=", ".join(PRODUCTS))
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    names = options.products or list(PRODUCTS)
    if unknown := set(names) - PRODUCTS.keys():
        parser.error(f"expected {', '.join(PRODUCTS)}, not {', '.join(unknown)}")
    if options.check:
        wrong = [line for name in names for line in _differences(name)]
        sys.exit("\n".join(wrong) or None)
    for name in names:
        _write(name)


if __name__ == "__main__":
    main()
