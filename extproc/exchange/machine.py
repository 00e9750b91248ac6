"""A half of an exchange, driven by a table from (state, event) to a transition."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Generic, TypeVar

from extproc.errors import ExtprocError, LinkError
from extproc.exchange.actions import Action
from extproc.exchange.events import Event


class State(Enum):
    """A state of a half."""

    __hash__ = object.__hash__  # its members are single; Enum's own hash is a call of a Python function


StateT = TypeVar("StateT", bound=State)


class ProtocolError(ExtprocError):
    """Envoy sent what it may not send now: the exchange ends with an error."""


@dataclass(frozen=True)
class Transition(Generic[StateT]):
    """What handles an event, and the states that it may lead to."""

    handle: Callable[..., tuple[StateT, list[Action]]]
    leads_to: tuple[StateT, ...]


class Half(ABC, Generic[StateT]):
    """Runs the table of a subclass. A LinkError on the way becomes the answer, and ends the half."""

    table: ClassVar[Mapping[tuple[State, type], Transition[Any]]]
    state: StateT

    def receive(self, event: Event, now_ms: int) -> list[Action]:
        """The actions that `event` leads to. Raises ProtocolError for one that has no place in the table."""
        transition = self.table.get((self.state, type(event)))
        if transition is None:
            raise ProtocolError(f"{type(event).__name__} while {self.state.name}")
        try:
            state, actions = transition.handle(self, event, now_ms)
        except LinkError as error:
            state, actions = self.refuse(error, now_ms)
        if state not in transition.leads_to:
            raise AssertionError(f"{self.state.name} must not lead to {state.name}")
        self.state = state
        return actions

    @abstractmethod
    def refuse(self, error: LinkError, now_ms: int) -> tuple[StateT, list[Action]]:
        """The last state of the half, and the answer to what the client got wrong."""
