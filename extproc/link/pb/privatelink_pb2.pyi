from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SealedRequest(_message.Message):
    __slots__ = ("key_id", "encapsulation", "nonce", "ciphertext")
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    ENCAPSULATION_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    CIPHERTEXT_FIELD_NUMBER: _ClassVar[int]
    key_id: bytes
    encapsulation: bytes
    nonce: bytes
    ciphertext: bytes
    def __init__(self, key_id: _Optional[bytes] = ..., encapsulation: _Optional[bytes] = ..., nonce: _Optional[bytes] = ..., ciphertext: _Optional[bytes] = ...) -> None: ...

class SealedResponse(_message.Message):
    __slots__ = ("nonce", "ciphertext")
    NONCE_FIELD_NUMBER: _ClassVar[int]
    CIPHERTEXT_FIELD_NUMBER: _ClassVar[int]
    nonce: bytes
    ciphertext: bytes
    def __init__(self, nonce: _Optional[bytes] = ..., ciphertext: _Optional[bytes] = ...) -> None: ...

class Header(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: bytes
    def __init__(self, name: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...

class InnerRequest(_message.Message):
    __slots__ = ("method", "scheme", "authority", "path", "headers", "body", "sent_at_ms", "exchange_id", "accept_stream", "cookie_binding", "client", "padding")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    SCHEME_FIELD_NUMBER: _ClassVar[int]
    AUTHORITY_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_MS_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_STREAM_FIELD_NUMBER: _ClassVar[int]
    COOKIE_BINDING_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    PADDING_FIELD_NUMBER: _ClassVar[int]
    method: str
    scheme: str
    authority: str
    path: str
    headers: _containers.RepeatedCompositeFieldContainer[Header]
    body: bytes
    sent_at_ms: int
    exchange_id: bytes
    accept_stream: bool
    cookie_binding: bytes
    client: ClientInfo
    padding: bytes
    def __init__(self, method: _Optional[str] = ..., scheme: _Optional[str] = ..., authority: _Optional[str] = ..., path: _Optional[str] = ..., headers: _Optional[_Iterable[_Union[Header, _Mapping]]] = ..., body: _Optional[bytes] = ..., sent_at_ms: _Optional[int] = ..., exchange_id: _Optional[bytes] = ..., accept_stream: _Optional[bool] = ..., cookie_binding: _Optional[bytes] = ..., client: _Optional[_Union[ClientInfo, _Mapping]] = ..., padding: _Optional[bytes] = ...) -> None: ...

class InnerResponse(_message.Message):
    __slots__ = ("status", "headers", "body", "trailers", "fault", "gateway_time_ms", "directory_serial", "padding")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    TRAILERS_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    DIRECTORY_SERIAL_FIELD_NUMBER: _ClassVar[int]
    PADDING_FIELD_NUMBER: _ClassVar[int]
    status: int
    headers: _containers.RepeatedCompositeFieldContainer[Header]
    body: bytes
    trailers: _containers.RepeatedCompositeFieldContainer[Header]
    fault: str
    gateway_time_ms: int
    directory_serial: int
    padding: bytes
    def __init__(self, status: _Optional[int] = ..., headers: _Optional[_Iterable[_Union[Header, _Mapping]]] = ..., body: _Optional[bytes] = ..., trailers: _Optional[_Iterable[_Union[Header, _Mapping]]] = ..., fault: _Optional[str] = ..., gateway_time_ms: _Optional[int] = ..., directory_serial: _Optional[int] = ..., padding: _Optional[bytes] = ...) -> None: ...

class InnerChunk(_message.Message):
    __slots__ = ("data", "trailers", "padding")
    DATA_FIELD_NUMBER: _ClassVar[int]
    TRAILERS_FIELD_NUMBER: _ClassVar[int]
    PADDING_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    trailers: _containers.RepeatedCompositeFieldContainer[Header]
    padding: bytes
    def __init__(self, data: _Optional[bytes] = ..., trailers: _Optional[_Iterable[_Union[Header, _Mapping]]] = ..., padding: _Optional[bytes] = ...) -> None: ...

class ClientInfo(_message.Message):
    __slots__ = ("sdk", "platform", "app", "install_id", "tags")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SDK_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    APP_FIELD_NUMBER: _ClassVar[int]
    INSTALL_ID_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    sdk: str
    platform: str
    app: str
    install_id: str
    tags: _containers.ScalarMap[str, str]
    def __init__(self, sdk: _Optional[str] = ..., platform: _Optional[str] = ..., app: _Optional[str] = ..., install_id: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ...) -> None: ...

class KeyDirectory(_message.Message):
    __slots__ = ("serial", "issued_at", "expires_at", "keys", "path", "stream_path", "max_request_bytes", "links")
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    ISSUED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    STREAM_PATH_FIELD_NUMBER: _ClassVar[int]
    MAX_REQUEST_BYTES_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    serial: int
    issued_at: int
    expires_at: int
    keys: _containers.RepeatedCompositeFieldContainer[GatewayKey]
    path: str
    stream_path: str
    max_request_bytes: int
    links: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, serial: _Optional[int] = ..., issued_at: _Optional[int] = ..., expires_at: _Optional[int] = ..., keys: _Optional[_Iterable[_Union[GatewayKey, _Mapping]]] = ..., path: _Optional[str] = ..., stream_path: _Optional[str] = ..., max_request_bytes: _Optional[int] = ..., links: _Optional[_Iterable[str]] = ...) -> None: ...

class GatewayKey(_message.Message):
    __slots__ = ("key_id", "kem_id", "public_key", "not_before", "not_after")
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    KEM_ID_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
    key_id: bytes
    kem_id: int
    public_key: bytes
    not_before: int
    not_after: int
    def __init__(self, key_id: _Optional[bytes] = ..., kem_id: _Optional[int] = ..., public_key: _Optional[bytes] = ..., not_before: _Optional[int] = ..., not_after: _Optional[int] = ...) -> None: ...

class SignedKeyDirectory(_message.Message):
    __slots__ = ("directory", "signatures")
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    SIGNATURES_FIELD_NUMBER: _ClassVar[int]
    directory: bytes
    signatures: _containers.RepeatedCompositeFieldContainer[Signature]
    def __init__(self, directory: _Optional[bytes] = ..., signatures: _Optional[_Iterable[_Union[Signature, _Mapping]]] = ...) -> None: ...

class Signature(_message.Message):
    __slots__ = ("root_id", "signature")
    ROOT_ID_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    root_id: bytes
    signature: bytes
    def __init__(self, root_id: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class SealedCookie(_message.Message):
    __slots__ = ("name", "value", "domain", "host_only", "path", "secure", "expires_at")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    HOST_ONLY_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    SECURE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: bytes
    domain: str
    host_only: bool
    path: str
    secure: bool
    expires_at: int
    def __init__(self, name: _Optional[str] = ..., value: _Optional[bytes] = ..., domain: _Optional[str] = ..., host_only: _Optional[bool] = ..., path: _Optional[str] = ..., secure: _Optional[bool] = ..., expires_at: _Optional[int] = ...) -> None: ...
