from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Backup(_message.Message):
    __slots__ = ("identity", "contacts", "profile", "writers", "key_epoch", "sealed_at_ms", "device_name")
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    CONTACTS_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    WRITERS_FIELD_NUMBER: _ClassVar[int]
    KEY_EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEALED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    DEVICE_NAME_FIELD_NUMBER: _ClassVar[int]
    identity: IdentityKeyPair
    contacts: _containers.RepeatedCompositeFieldContainer[Contact]
    profile: ProfileReference
    writers: _containers.RepeatedCompositeFieldContainer[Writer]
    key_epoch: int
    sealed_at_ms: int
    device_name: str
    def __init__(self, identity: _Optional[_Union[IdentityKeyPair, _Mapping]] = ..., contacts: _Optional[_Iterable[_Union[Contact, _Mapping]]] = ..., profile: _Optional[_Union[ProfileReference, _Mapping]] = ..., writers: _Optional[_Iterable[_Union[Writer, _Mapping]]] = ..., key_epoch: _Optional[int] = ..., sealed_at_ms: _Optional[int] = ..., device_name: _Optional[str] = ...) -> None: ...

class IdentityKeyPair(_message.Message):
    __slots__ = ("public_key", "private_key", "epoch")
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    PRIVATE_KEY_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    public_key: bytes
    private_key: bytes
    epoch: int
    def __init__(self, public_key: _Optional[bytes] = ..., private_key: _Optional[bytes] = ..., epoch: _Optional[int] = ...) -> None: ...

class Contact(_message.Message):
    __slots__ = ("user_id", "username", "identity_key", "stamp_ms", "removed")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_KEY_FIELD_NUMBER: _ClassVar[int]
    STAMP_MS_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    user_id: bytes
    username: str
    identity_key: bytes
    stamp_ms: int
    removed: bool
    def __init__(self, user_id: _Optional[bytes] = ..., username: _Optional[str] = ..., identity_key: _Optional[bytes] = ..., stamp_ms: _Optional[int] = ..., removed: _Optional[bool] = ...) -> None: ...

class ProfileReference(_message.Message):
    __slots__ = ("attachment_id", "decryption_key", "stamp_ms")
    ATTACHMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DECRYPTION_KEY_FIELD_NUMBER: _ClassVar[int]
    STAMP_MS_FIELD_NUMBER: _ClassVar[int]
    attachment_id: str
    decryption_key: bytes
    stamp_ms: int
    def __init__(self, attachment_id: _Optional[str] = ..., decryption_key: _Optional[bytes] = ..., stamp_ms: _Optional[int] = ...) -> None: ...

class Writer(_message.Message):
    __slots__ = ("device_id", "seq")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    device_id: bytes
    seq: int
    def __init__(self, device_id: _Optional[bytes] = ..., seq: _Optional[int] = ...) -> None: ...
