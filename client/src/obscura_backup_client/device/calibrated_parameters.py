"""The parameters that `calibrate` found for this device, kept beside its state."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from obscura_backup_client.content.model import MAX_INTEGER
from obscura_backup_client.device.directory import PROFILE_FILE_NAME
from obscura_backup_client.device.errors import ProfileDamaged, ProfileNewer
from obscura_backup_client.sealing.errors import RefusedParameters
from obscura_backup_client.sealing.kdf import require_sealable
from obscura_backup_client.sealing.kdf_parameters import KdfParameters

if TYPE_CHECKING:
    from pathlib import Path

    from obscura_backup_client.device.directory import StateDirectory

PROFILE_FORMAT: Final = 1
# A profile takes a tenth of this; what is longer was not written here.
MAX_PROFILE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """What to seal with on this device, and how many milliseconds one derivation took when it was chosen."""

    parameters: KdfParameters
    milliseconds: int


def read(directory: StateDirectory) -> KdfParameters | None:
    """The parameters to seal with on this device, or None where nothing was calibrated.

    They are within the sealing limits, whatever the file says: who can write it could otherwise weaken every backup.

    Raises:
        ProfileDamaged, ProfileNewer, StateUnusable: see there.
    """
    profile = read_profile(directory)
    return None if profile is None else profile.parameters


def read_profile(directory: StateDirectory) -> DeviceProfile | None:
    """The same with the time that it took. Raises as `read`."""
    encoded = directory.read_file(PROFILE_FILE_NAME, max_bytes=MAX_PROFILE_BYTES + 1)
    return None if encoded is None else decode_profile(encoded, directory.path / PROFILE_FILE_NAME)


def save(directory: StateDirectory, profile: DeviceProfile) -> None:
    """Keep the profile for this device, in the place of whatever was kept before; needs no identity to be there.

    Raises:
        RefusedParameters: outside the sealing limits; nothing was written.
        StateBusy, StateUnusable: see there; what was kept before still is.
    """
    require_sealable(profile.parameters)
    with directory.locked_without_reading():
        directory.replace(encode_profile(profile), PROFILE_FILE_NAME)


def encode_profile(profile: DeviceProfile) -> bytes:
    """The bytes of a profile file."""
    document = {
        "format": PROFILE_FORMAT,
        "memory_kib": profile.parameters.memory_kib,
        "passes": profile.parameters.passes,
        "lanes": profile.parameters.lanes,
        "milliseconds": profile.milliseconds,
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def decode_profile(encoded: bytes, path: Path) -> DeviceProfile:
    """The profile in a file's bytes; `path` is for the error only.

    Raises:
        ProfileNewer: written by a later version.
        ProfileDamaged: not a profile, or not one that a backup may be sealed with.
    """
    if len(encoded) > MAX_PROFILE_BYTES:
        raise ProfileDamaged(path, "it is too long")
    try:
        document = json.loads(encoded)
    except (ValueError, RecursionError):
        raise ProfileDamaged(path, "it is not JSON") from None
    if not isinstance(document, dict):
        raise ProfileDamaged(path, "it is not a JSON object")

    def count(name: str) -> int:
        value = document.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_INTEGER:
            raise ProfileDamaged(path, f"its {name} is not a count")
        return value

    profile_format = count("format")
    if profile_format > PROFILE_FORMAT:
        raise ProfileNewer(path, profile_format)
    if profile_format < PROFILE_FORMAT:
        raise ProfileDamaged(path, "there never was such a format")
    parameters = KdfParameters(count("memory_kib"), count("passes"), count("lanes"))
    try:
        require_sealable(parameters)
    except RefusedParameters as refused:
        raise ProfileDamaged(path, refused.reason) from None
    return DeviceProfile(parameters, count("milliseconds"))
