"""`python -m bench.tied MODULE ...`: as `python -m MODULE ...`, and ended when the one that started it is.

Killed outright, that one could end nobody: the kernel then does (prctl(2), PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import ctypes
import runpy
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1

if __name__ == "__main__":
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
