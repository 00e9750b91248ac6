"""The signed key directory (section 11)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from extproc.errors import DirectoryError
from extproc.link.keys import PublicKey, RootPrivateKey, RootPublicKey
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.suites import Kem

MAX_LIFE: Final = 30 * 86_400
_CLOCK_TOLERANCE: Final = 86_400
_CONTEXT: Final = b"privatelink/1 directory\x00"


@dataclass(frozen=True, slots=True)
class DirectoryKey:
    """A gateway key that clients may use from `not_before` until `not_after` (Unix seconds)."""

    key: PublicKey
    not_before: int
    not_after: int


@dataclass(frozen=True, slots=True)
class Directory:
    """What a gateway says of itself. Times in Unix seconds; `keys` in order of preference."""

    serial: int
    issued_at: int
    expires_at: int
    keys: tuple[DirectoryKey, ...]
    path: str
    stream_path: str  # empty: streamed requests are not offered
    max_request_bytes: int
    links: tuple[str, ...]

    def preferred(self, now: int, *, require_pq: bool = False) -> PublicKey | None:
        """The first key whose dates hold; told to `require_pq`, the first of those that is X-Wing."""
        for entry in self.keys:
            if entry.not_before <= now < entry.not_after and (entry.key.kem is Kem.XWING or not require_pq):
                return entry.key
        return None

    def serialize(self) -> bytes:
        """A serialized KeyDirectory: what is signed."""
        return pb.KeyDirectory(
            serial=self.serial,
            issued_at=self.issued_at,
            expires_at=self.expires_at,
            keys=[
                pb.GatewayKey(
                    key_id=entry.key.key_id,
                    kem_id=entry.key.kem,
                    public_key=entry.key.raw,
                    not_before=entry.not_before,
                    not_after=entry.not_after,
                )
                for entry in self.keys
            ],
            path=self.path,
            stream_path=self.stream_path,
            max_request_bytes=self.max_request_bytes,
            links=self.links,
        ).SerializeToString(deterministic=True)


def sign(directory: Directory, *roots: RootPrivateKey) -> bytes:
    """A serialized SignedKeyDirectory with a signature of each root."""
    serialized = directory.serialize()
    signatures = [
        pb.Signature(root_id=root.public.root_id, signature=root.sign(_CONTEXT + serialized))
        for root in roots
    ]
    return pb.SignedKeyDirectory(directory=serialized, signatures=signatures).SerializeToString()


def parse(serialized: bytes) -> Directory:
    """A serialized KeyDirectory; keys of an unknown KEM are left out. Raises DirectoryError."""
    message = pb.KeyDirectory()
    try:
        message.ParseFromString(serialized)
    except DecodeError as error:
        raise DirectoryError("not a KeyDirectory") from error
    if not _is_path(message.path) or (message.stream_path and not _is_path(message.stream_path)):
        raise DirectoryError('a path that does not start with one "/"')
    if not message.issued_at < message.expires_at <= message.issued_at + MAX_LIFE:
        raise DirectoryError("a life of more than 30 days, or none")
    return Directory(
        serial=message.serial,
        issued_at=message.issued_at,
        expires_at=message.expires_at,
        keys=tuple(_key(key) for key in message.keys if key.kem_id in set(Kem)),
        path=message.path,
        stream_path=message.stream_path,
        max_request_bytes=message.max_request_bytes,
        links=tuple(message.links),
    )


def decode(signed: bytes) -> Directory:
    """The directory inside a SignedKeyDirectory, unverified: for the gateway. Raises DirectoryError."""
    return parse(_signed(signed).directory)


def is_signed_by(signed: bytes, roots: Sequence[RootPublicKey]) -> bool:
    """Whether one of `roots` has signed a SignedKeyDirectory, whatever it says. Raises DirectoryError."""
    return bool(_signers(_signed(signed), roots))


@dataclass(frozen=True, slots=True)
class Accepted:
    """The highest serial that a client has accepted for a link and root, and the SHA-256 of its bytes."""

    serial: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Verified:
    """A directory to trust, and by root id what to remember of it."""

    directory: Directory
    accepted: Mapping[bytes, Accepted]


def verify(
    signed: bytes,
    *,
    roots: Sequence[RootPublicKey],
    link: str,
    now: int,
    accepted: Mapping[bytes, Accepted],
) -> Verified:
    """Accept a SignedKeyDirectory by section 11, or raise DirectoryError. `now` in Unix seconds."""
    message = _signed(signed)
    signers = _signers(message, roots)
    if not signers:
        raise DirectoryError("no pinned root has signed it")
    directory = parse(message.directory)
    if link not in directory.links:
        raise DirectoryError(f"it is not for {link}")
    if now < directory.issued_at - _CLOCK_TOLERANCE:
        raise DirectoryError("it was issued in the future")
    if now >= directory.expires_at:
        raise DirectoryError("it has expired")
    offered = Accepted(directory.serial, hashlib.sha256(message.directory).digest())
    for root_id in signers:
        _check_rollback(offered, accepted.get(root_id))
    return Verified(directory, {**accepted, **dict.fromkeys(signers, offered)})


def _check_rollback(offered: Accepted, known: Accepted | None) -> None:
    if known is None or offered.serial > known.serial or offered == known:
        return
    if offered.serial == known.serial:
        raise DirectoryError(f"serial {offered.serial} was seen with other bytes")
    raise DirectoryError(f"serial {offered.serial} is rolled back from {known.serial}")


def _signers(message: pb.SignedKeyDirectory, roots: Sequence[RootPublicKey]) -> list[bytes]:
    by_id = {root.root_id: root for root in roots}
    signed = _CONTEXT + message.directory
    return [
        entry.root_id
        for entry in message.signatures
        if entry.root_id in by_id and by_id[entry.root_id].verify(entry.signature, signed)
    ]


def _signed(serialized: bytes) -> pb.SignedKeyDirectory:
    message = pb.SignedKeyDirectory()
    try:
        message.ParseFromString(serialized)
    except DecodeError as error:
        raise DirectoryError("not a SignedKeyDirectory") from error
    return message


def _key(message: pb.GatewayKey) -> DirectoryKey:
    try:
        key = PublicKey(Kem(message.kem_id), message.public_key)
    except ValueError as error:
        raise DirectoryError("a gateway key of the wrong length") from error
    if key.key_id != message.key_id:
        raise DirectoryError("a gateway key under another key's id")
    return DirectoryKey(key, message.not_before, message.not_after)


def _is_path(path: str) -> bool:
    return path.startswith("/") and not path.startswith("//")
