"""Draws the two halves of an exchange, from their tables, into docs/exchange.md.

Usage: python tools/draw_states.py [--check]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from extproc.exchange.request import RequestHalf
from extproc.exchange.response import ResponseHalf

PAGE = Path(__file__).parent.parent / "docs" / "exchange.md"


def diagram(half: type[RequestHalf | ResponseHalf]) -> str:
    """A Mermaid state diagram of a half's table."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> START"]
    for (state, event), transition in half.table.items():
        lines += [f"    {state.name} --> {target.name}: {event.__name__}" for target in transition.leads_to]
    return "\n".join([*lines, "    ANSWERED --> [*]", "```"])


def drawn(page: str) -> str:
    """The page, with each diagram between its marks drawn anew."""
    for half in (RequestHalf, ResponseHalf):
        marks = f"(<!-- {half.__name__} -->\n).*?(<!-- end -->)"
        page = re.sub(marks, rf"\g<1>{diagram(half)}\n\2", page, flags=re.DOTALL)
    return page


def main() -> int:
    page = PAGE.read_text()
    if "--check" in sys.argv[1:]:
        if page != drawn(page):
            print("docs/exchange.md is out of step with the tables; run: python tools/draw_states.py")
            return 1
        return 0
    PAGE.write_text(drawn(page))
    return 0


if __name__ == "__main__":
    sys.exit(main())
