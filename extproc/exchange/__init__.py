"""One HTTP exchange: events in, actions out. Pure: no I/O, clock and randomness handed in.

    events ---> Exchange.receive(event, now_ms) ---> actions

Two halves, each a table from (state, event) to a transition: the request half opens the envelope and puts
the inner request in the outer one's place, the response half seals the answer, whole or as it comes. An event
that is not in the table is a ProtocolError; whatever the client can cause is answered, or cut off.
"""
