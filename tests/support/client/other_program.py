"""Another program that knows the password and chooses its own parameters."""

from __future__ import annotations

from dataclasses import replace

from obscura_backup_client.content.codec import decode, encode
from obscura_backup_client.content.merge import merge_writers
from obscura_backup_client.content.model import Writer
from obscura_backup_client.sealing import sealed
from obscura_backup_client.sealing.kdf_parameters import KdfParameters
from obscura_backup_client.sealing.padding import pad
from obscura_backup_client.sealing.sealed import SealingKey, open_sealed, seal_plaintext
from support.client.devices import USER
from support.client.server_in_memory import ServerInMemory, Slot

OTHER_WRITER = b"another program!"
OTHER_SALT = b"salt of another "


def sealed_by_another_program(
    server: ServerInMemory, password: str, parameters: KdfParameters, *, salt: bytes = OTHER_SALT
) -> SealingKey:
    """Replace the server's backup with the same content, sealed by another device with these parameters."""
    blob, version = server.slot.blob or b"", server.slot.version
    content = decode(open_sealed(blob, password, USER, confirm=lambda _: True).payload)
    writer = Writer(OTHER_WRITER, content.vector.get(OTHER_WRITER, 0) + 1)
    content = replace(content, writers=merge_writers(content.writers, [writer]), device_name="other")
    root = sealed.argon2id(password.encode(), salt, parameters)  # type: ignore[attr-defined]  # or a test's stand-in
    key = SealingKey(parameters, salt, root)
    resealed = seal_plaintext(pad(encode(content)), key, USER, nonce=version.to_bytes(12, "big"))
    server.slot = Slot(version + 1, resealed, base=version)
    return key
