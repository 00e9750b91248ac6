"""What a half of an exchange is: a table from (state, event) to a transition, and where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from extproc.errors import ExtprocError, LinkError
from extproc.exchange.actions import Action
from extproc.exchange.context import Context
from extproc.exchange.events import Event


@final
class State:
    """A state of a half. Not an Enum, a member of which is looked up anew each time that it is named."""

    def __set_name__(self, _owner: type, name: str) -> None:
        self.name = name


class States:
    """Those that both halves have."""

    START = State()
    ANSWERED = State()


Step = tuple[State, list[Action]]


class ProtocolError(ExtprocError):
    """Envoy sent what it may not send now: the exchange ends with an error."""


@dataclass(frozen=True, slots=True)
class Transition:
    """What handles an event, and the states that it may lead to."""

    handle: Callable[..., Step]
    leads_to: tuple[State, ...]


class Half:
    """Its subclasses handle events: state and actions that one leads to. What raises LinkError is refused."""

    table: ClassVar[Mapping[tuple[State, type[Event]], Transition]]

    def __init__(self, context: Context) -> None:
        self.state = States.START
        self._context = context

    def refuse(self, error: LinkError, now_ms: int) -> Step:
        """The last state, and the answer to what the client got wrong."""
        return States.ANSWERED, self._context.refuse(error, now_ms)
