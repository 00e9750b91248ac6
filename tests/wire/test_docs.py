"""docs/wire.md. Invariant: each row names the test that holds it, and the differences are all there."""

from __future__ import annotations

import pytest

from tests.docs.pages import page, rows, section
from tests.docs.test_pages import TEST
from tests.wire.differences import DIFFERENCES

PAGE = page("wire.md")


@pytest.mark.parametrize("heading", ["RFC 9113", "gRPC over HTTP/2", "Limits"])
def test_every_row_names_its_tests(heading: str) -> None:
    table = list(rows(section(PAGE, heading)))
    assert table
    for row in table:
        assert TEST.search(row[-1]), row[0]


def test_the_differences_are_those_that_the_oracle_allows() -> None:
    table = list(rows(section(PAGE, "Where the h2 library differs")))
    assert table == [[each.section, each.why] for each in DIFFERENCES]
