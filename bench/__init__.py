"""Measures the whole gateway, and wears it out: `python -m bench`, `python -m bench.soak`. Not installed.

No two parties share an interpreter: `origin` is the upstream, `bare` a service to compare with; `whole`,
`replay`, `transfer`, `events`, `aborts` and `steady` are clients, each of which takes its task as JSON and
prints its result as JSON. `stage` starts the gateway between them; `exchanges`, `replays`, `transfers` and
`soak` say who does what when.
"""
