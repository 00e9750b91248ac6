"""What every room's tests share."""

from hypothesis import settings

# No deadline: a slow machine is not a wrong answer. A failure prints what reproduces it.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")
