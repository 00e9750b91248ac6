"""Measures the whole gateway, and wears it out: `python -m bench`, `python -m bench.soak`. Not installed.

No two parties share an interpreter: `origin` is the upstream; `whole`, `transfer`, `events`, `aborts` and
`steady` are clients, each of which takes its task as JSON and prints its result as JSON. `stage` starts the
gateway between them, `rows` and `soak` say who does what when.
"""
