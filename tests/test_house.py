"""How the house is built: floors, what a room may touch, sizes, packages, and what `--help` costs.

Invariant: every import in `extproc/` leads to a lower floor or stays within its room, and to no third party
but those that the room is there to touch.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "extproc"
PYTHON_FOLDERS = (PACKAGE, ROOT / "bench", ROOT / "tests", ROOT / "tools")
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 25


@dataclass(frozen=True)
class Room:
    floor: int
    touches: frozenset[str] = frozenset()  # third-party modules, each with what is below it


def room(floor: int, *touches: str) -> Room:
    return Room(floor, frozenset(touches))


PROTOBUF = "google.protobuf"
ROOMS = {
    "__init__": room(0),
    "message": room(0),
    "errors": room(0),
    "link": room(1, "cryptography", PROTOBUF),
    "policy": room(2),
    "exchange": room(3),
    "config": room(4, "pydantic", "pydantic_core", "yaml"),
    "envoy_api": room(4, "envoy", PROTOBUF),
    "server": room(5, "grpc", "grpc_health", "structlog", "lmdb", "hpack", "google.protobuf", "uvloop"),
    "client": room(5, "httpx"),
    "bootstrap": room(5, "envoy_data_plane", "betterproto2", "yaml"),
    "demo": room(5),
    "cli": room(6, "typer", "rich", "httpx", "structlog"),
    "__main__": room(7),
}
PURE = {"link", "policy", "exchange"}  # clock, randomness and the world are handed in
IMPURE_MODULES = {"asyncio", "os", "pathlib", "random", "secrets", "socket", "threading", "time"}
KEY_MAKING = ("link", "os")  # os.urandom: a new key is the one thing that the core draws itself


@dataclass(frozen=True)
class Import:
    source: Path
    line: int
    module: str

    @property
    def room(self) -> str:
        return _room(self.source.relative_to(PACKAGE).with_suffix("").parts[0])

    @property
    def where(self) -> str:
        return f"{self.source.relative_to(ROOT)}:{self.line}"

    @property
    def target(self) -> str | None:
        """The room that is imported, or None when it is none of ours."""
        first, *rest = self.module.split(".")
        if first != "extproc":
            return None
        return _room(rest[0]) if rest else "__init__"


def _room(name: str) -> str:
    return name if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file() else "__init__"


def sources(*folders: Path) -> list[Path]:
    """Every Python file that a person wrote."""
    found = (path for folder in folders for path in sorted(folder.rglob("*.py")))
    return [path for path in found if "pb" not in path.relative_to(ROOT).parts]


def imports() -> Iterator[Import]:
    for source in sources(PACKAGE):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Import):
                yield from (Import(source, node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (Import(source, node.lineno, module) for module in _modules(source, node))


def _modules(source: Path, node: ast.ImportFrom) -> list[str]:
    assert node.level == 0, (
        f"{source.relative_to(ROOT)}:{node.lineno}: write the import in full, not relative"
    )
    return [f"{node.module}.{alias.name}" for alias in node.names]


def _is_within(module: str, allowed: frozenset[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


def test_every_module_is_in_a_room() -> None:
    strangers = {
        path.relative_to(PACKAGE).with_suffix("").parts[0] for path in sources(PACKAGE)
    } - ROOMS.keys()
    assert not strangers, f"give {sorted(strangers)} a floor in ROOMS, tests/test_house.py"


def test_imports_lead_to_lower_floors_or_stay_in_their_room() -> None:
    wrong = [
        f"{found.where}: {found.room}/ is on floor {ROOMS[found.room].floor}, and {found.module} on floor "
        f"{ROOMS[found.target].floor}: move what both need to a lower floor, or the wiring to a higher one"
        for found in imports()
        if found.target is not None
        and found.target != found.room
        and ROOMS[found.target].floor >= ROOMS[found.room].floor
        and found.target != "__init__"
    ]
    assert not wrong, "\n".join(wrong)


def test_rooms_touch_no_third_party_but_their_own() -> None:
    wrong = [
        f"{found.where}: {found.room}/ may touch {sorted(ROOMS[found.room].touches) or 'no third party'}, "
        f"not {found.module}: use the room that does, or widen its row in ROOMS and say why"
        for found in imports()
        if found.target is None
        and found.module.split(".")[0] not in sys.stdlib_module_names
        and not _is_within(found.module, ROOMS[found.room].touches)
    ]
    assert not wrong, "\n".join(wrong)


def test_only_envoy_api_reads_envoys_messages() -> None:
    wrong = [
        f"{found.where}: {found.module}: import it in extproc/envoy_api.py, and use what that offers"
        for found in imports()
        if found.room == "server" and found.module.startswith("envoy.")
    ]
    assert not wrong, "\n".join(wrong)


def test_the_core_is_pure() -> None:
    wrong = [
        f"{found.where}: {found.room}/ is pure: take what {found.module} would give as an argument"
        for found in imports()
        if found.room in PURE
        and found.module.split(".")[0] in IMPURE_MODULES
        and (found.room, found.module) != KEY_MAKING
    ]
    assert not wrong, "\n".join(wrong)


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in sources(*PYTHON_FOLDERS)}
    wrong = [
        f"{path.relative_to(ROOT)}: {lines} lines, and {MAX_FILE_LINES} is the limit: split it by subject"
        for path, lines in lengths.items()
        if lines > MAX_FILE_LINES
    ]
    assert not wrong, "\n".join(wrong)


def test_functions_are_short() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {lines} lines: name its parts; "
        f"{MAX_FUNCTION_LINES} is the limit, docstring apart"
        for path in sources(PACKAGE, ROOT / "bench", ROOT / "tools")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := _lines_of_code(node)) > MAX_FUNCTION_LINES
    ]
    assert not wrong, "\n".join(wrong)


def _lines_of_code(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    docstring = _span(first) if documented else 0
    return _span(function) - docstring


def _span(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_packages_are_listed() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in PACKAGE.rglob("__init__.py")}
    assert listed == found, (
        f"pyproject.toml: list in tool.setuptools.packages what differs: {sorted(listed ^ found)}"
    )


def test_help_loads_nothing_heavy() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "extproc", "--help"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    loaded = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines()}
    heavy = loaded & {"cryptography", "envoy", "envoy_data_plane", "grpc", "httpx", "pydantic", "rich"}
    assert not heavy, f"`extproc --help` loads {sorted(heavy)}: import it in the function that needs it"
