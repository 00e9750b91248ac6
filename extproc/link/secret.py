"""What keeps a secret out of places where it would outlive its use."""

from __future__ import annotations

from typing import NoReturn


class Secret:
    """A base for types that hold key material: they are neither pickled nor copied."""

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is a secret, and leaves its process in no form")
