"""The demo: a small shop as upstream, a tap on the line, and the scene that the two of them show."""
