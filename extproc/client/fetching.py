"""Getting a directory to go by (docs/protocol.md, sections 9 and 11), as steps.

One exchange at a time fetches. Those that can't go on without wait for it, and share its failure instead
of queueing up to fail one after the other; those that can, go on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

import httpx

from extproc.client.directories import Choice
from extproc.client.errors import DIRECTORY, LinkError, may_have_run
from extproc.client.outer import MAX_DIRECTORY, directory_request, signed_directory
from extproc.client.session import Session
from extproc.client.steps import Alone, Answer, Save, Send, Steps, Wait
from extproc.errors import DirectoryError

JITTER_S: Final = 1.0  # before a fetch that every client may be making now
_log: Final = logging.getLogger("extproc.client")

Timeout = Mapping[str, Any] | None


def choose(session: Session, timeout: Timeout) -> Steps[Choice]:
    """A directory and a key of it, fetched if need be. Raises httpx.TransportError: nothing was sent."""
    directories = session.directories
    if directories.choice() is not None and directories.take_turn():
        yield Alone(_refresh(session, timeout, past_caches=directories.is_behind))
    choice = directories.choice()
    if choice is None:
        choice = yield Alone(_obtain(session, timeout, directories.failures))
    return choice


def renew(session: Session, refused: Choice, timeout: Timeout) -> Steps[bool]:
    """After `unknown-key`: whether there is now a key that the directory sealed under did not have."""
    yield Alone(_ask_again(session, refused, timeout))
    choice = session.directories.choice()
    had = {entry.key.key_id for entry in refused.directory.keys}
    return choice is not None and choice.key.key_id not in had


def _obtain(session: Session, timeout: Timeout, failures: int) -> Steps[Choice]:
    directories = session.directories
    choice = directories.choice()
    if choice is None and directories.failures != failures:
        raise LinkError(DIRECTORY, "the fetch that this request has waited for failed")
    if choice is None:
        try:
            choice = yield from _fetch_choice(session, timeout)
        except httpx.TransportError:
            directories.failures += 1
            raise
    return choice


def _fetch_choice(session: Session, timeout: Timeout) -> Steps[Choice]:
    directories = session.directories
    if not directories.is_first:
        yield Wait(JITTER_S * session.world.uniform())
    yield from _fetch(session, timeout, past_caches=bool(directories.accepted))
    choice = directories.choice()
    if choice is None:
        raise LinkError(DIRECTORY, "no key of the directory can be used now")
    return choice


def _refresh(session: Session, timeout: Timeout, *, past_caches: bool) -> Steps[None]:
    try:
        yield from _fetch(session, timeout, past_caches=past_caches)
    except httpx.TransportError as error:
        _log.warning("the directory of %s was not refreshed: %s", session.config.link, error)


def _ask_again(session: Session, refused: Choice, timeout: Timeout) -> Steps[None]:
    if session.directories.choice() in {None, refused} and session.directories.may_ask():
        yield Wait(JITTER_S * session.world.uniform())
        yield from _refresh(session, timeout, past_caches=True)


def _fetch(session: Session, timeout: Timeout, *, past_caches: bool) -> Steps[None]:
    """Fetch, verify, remember. What fails before it was sent passes as httpx has it: nothing of the caller's
    has left. So has nothing when the fetch fails later, and LinkError says so."""
    url = f"{session.config.link}{session.config.path}/keys"
    try:
        answer: Answer = yield Send(directory_request(url, timeout, past_caches=past_caches), MAX_DIRECTORY)
        session.directories.accept(signed_directory(answer), fetched=True)
    except DirectoryError as error:
        raise LinkError(DIRECTORY, str(error)) from error
    except httpx.TransportError as error:
        if not may_have_run(error):
            raise
        raise LinkError(DIRECTORY, f"it could not be fetched: {error!r}") from error
    yield Save(session.state())
