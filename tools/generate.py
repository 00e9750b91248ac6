"""Files that are made from others and kept in the repository.

python tools/generate.py protos envoy vectors  # write these; sdk-protos and page, too, where Node.js is
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


SDK = ROOT / "sdk/js"


@dataclass(frozen=True)
class Product:
    """`make` fills an empty folder with what belongs into `folder`; `is_all`: nothing else does.

    `needs_sdk`: it takes Node.js, and what `npm ci` has installed in sdk/js.
    """

    folder: Path
    make: Callable[[Path], None]
    is_all: bool = False
    needs_sdk: bool = False


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


def _sdk_protos(out: Path) -> None:
    source = ROOT / "protos/privatelink/v1"
    options = "importSuffix=.js,forceLong=number,annotateFilesWithVersion=false"
    without = ("outputServices=none", "outputJsonMethods=false", "outputPartialMethods=false")
    _run(
        "-m",
        "grpc_tools.protoc",
        f"-I{source}",
        f"--plugin={SDK}/node_modules/.bin/protoc-gen-ts_proto",
        f"--ts_proto_out={out}",
        f"--ts_proto_opt={','.join((options, *without))}",
        "privatelink.proto",
    )


def _page(out: Path) -> None:
    _run("demo/build.mjs", str(out), program="node", cwd=SDK)


def _run(*arguments: str, program: str = sys.executable, cwd: Path = ROOT) -> bytes:
    run = subprocess.run([program, *arguments], cwd=cwd, stdout=subprocess.PIPE, check=False)
    if run.returncode != 0:
        sys.exit(f"generate: {Path(program).name} {' '.join(arguments)} failed")
    return run.stdout


PRODUCTS = {
    "protos": Product(ROOT / "extproc/link/pb", _protos),
    "envoy": Product(ROOT / "envoy", _envoy),
    "vectors": Product(ROOT / "tests/vectors", _vectors),
    "sdk-protos": Product(SDK / "src/wire/gen", _sdk_protos, is_all=True, needs_sdk=True),
    "page": Product(ROOT / "extproc/demo/page", _page, is_all=True, needs_sdk=True),
}
MAKE_TARGETS = {"sdk-protos": "sdk", "page": "sdk"}  # of the others it is the name


def _can_make(product: Product) -> bool:
    return not product.needs_sdk or (shutil.which("node") is not None and (SDK / "node_modules").is_dir())


def _differences(name: str) -> list[str]:
    product = PRODUCTS[name]
    with tempfile.TemporaryDirectory() as folder:
        product.make(Path(folder))
        made = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    kept = {path.name: path.read_bytes() for path in product.folder.iterdir() if path.is_file()}
    target = MAKE_TARGETS.get(name, name)
    files = made.keys() | kept.keys() if product.is_all else made.keys()
    return [
        f"{(product.folder / file).relative_to(ROOT)} is out of step: run 'make {target}'"
        for file in sorted(files)
        if made.get(file) != kept.get(file)
    ]


def _write(name: str) -> None:
    product = PRODUCTS[name]
    with tempfile.TemporaryDirectory() as folder:
        product.make(Path(folder))
        if product.is_all:
            shutil.rmtree(product.folder, ignore_errors=True)
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
        left_out = [name for name in names if not _can_make(PRODUCTS[name])]
        if left_out:
            print(f"not compared, for Node.js or sdk/js/node_modules is missing: {', '.join(left_out)}")
        wrong = [line for name in names if name not in left_out for line in _differences(name)]
        sys.exit("\n".join(wrong) or None)
    for name in names:
        _write(name)


if __name__ == "__main__":
    main()
