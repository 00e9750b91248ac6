"""The state folder. Invariant: it is this user's alone, and one instance at a time works in it."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from extproc.errors import UserError
from extproc.server.state import exclusive, private_folder

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from pathlib import Path
from extproc.server.state import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_made_for_this_user_alone(tmp_path: Path) -> None:
    folder = private_folder(tmp_path / "var/state")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert private_folder(folder) == folder


@pytest.mark.parametrize("mode", [0o755, 0o701, 0o710, 0o777])
def test_a_wider_folder_is_refused(tmp_path: Path, mode: int) -> None:
    folder = private_folder(tmp_path / "state")
    folder.chmod(mode)
    with pytest.raises(UserError, match=rf"state: mode {mode:04o} lets others in; .*chmod 700"):
        private_folder(folder)


def test_a_file_in_its_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(UserError, match="state: File exists"):
        private_folder(tmp_path / "state")


def test_a_second_instance_is_told_of_the_first(tmp_path: Path) -> None:
    state = tmp_path / "state"
    command = [sys.executable, "-c", HOLD, str(state)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as first:
        assert first.stdout
        first.stdout.readline()
        with pytest.raises(UserError, match=rf"another extproc runs here \(process {first.pid}\)"):
            exclusive(state).__enter__()
        first.kill()
    with exclusive(state):  # the dead hold nothing
        pass
    with exclusive(state):
        pass
