"""A replay store on a disk that is full: a real one, small, in a mount namespace of the test's own.

Invariant: it is one sentence that names the folder, and never a signal; and with room again, the store opens.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]
SCRIPT = """
import mmap, subprocess, sys
from pathlib import Path
from extproc.errors import UserError
from extproc.server.stores import LmdbStore

disk, free_pages = Path(sys.argv[1]), int(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", disk], check=True)

def fill(name, but_for=0):
    with (disk / name).open("wb", buffering=0) as file:
        try:
            while file.write(bytes(mmap.PAGESIZE)):
                pass
        except OSError:
            file.truncate(file.tell() - but_for * mmap.PAGESIZE)

fill("filler", but_for=free_pages)
for attempt in range(2):
    try:
        LmdbStore(disk / "replay", 100_000, 1)
    except UserError as error:
        print(error, flush=True)
(disk / "filler").unlink()
store = LmdbStore(disk / "replay", 100_000, 2)
fill("filler")
verdicts = [store.check(n.to_bytes(16, "big"), 2).name for n in range(30_000)]
(disk / "filler").unlink()
again = [store.check(n.to_bytes(16, "big"), 2).name for n in range(30_000)]
seen = ["SEEN" if verdict == "FRESH" else "FRESH" for verdict in verdicts]
print(store.created_at_ms, *sorted(set(verdicts)), again == seen)
"""


def permitted() -> bool:
    try:
        run = subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=False)
    except FileNotFoundError:
        return False
    return run.returncode == 0


@pytest.mark.skipif(not permitted(), reason="no file system may be mounted here")
@pytest.mark.parametrize("free_pages", [0, 1, 2, 3, 4, 5, 6, 16, 200])
def test_a_full_disk_is_one_sentence(tmp_path: Path, free_pages: int) -> None:
    """Whichever of its files is the one that finds no room; full later, it refuses, and forgets nothing."""
    run = subprocess.run(
        [*NAMESPACE, sys.executable, "-c", SCRIPT, str(tmp_path), str(free_pages)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert run.returncode == 0, (run.returncode, run.stderr)
    first, second, *log, after = run.stdout.splitlines()
    for sentence in (first, second):
        assert sentence.startswith(f"{tmp_path}/replay: the replay store can't be opened: ")
        assert sentence.endswith("No space left on device")
    assert all("replay.error" in line for line in log)
    assert after == "2 FRESH UNAVAILABLE True"
