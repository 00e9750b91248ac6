"""One module a topic, or a few that belong together: each gives the vectors of its files."""
