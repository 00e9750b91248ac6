"""Private Link, version 1: the protocol of docs/protocol.md, pure. Clock and randomness are handed in."""
