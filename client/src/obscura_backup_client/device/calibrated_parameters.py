"""The parameters that `calibrate` chose for this device, saved beside its state."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from obscura_backup_client.device.directory import PROFILE_FILE_NAME
from obscura_backup_client.device.errors import ProfileDamaged, ProfileNewer
from obscura_backup_client.sealing.errors import RefusedParameters
from obscura_backup_client.sealing.kdf import require_sealable
from obscura_backup_client.sealing.kdf_parameters import KdfParameters
from obscura_backup_client.strict_json import JsonError, JsonObject, parse

if TYPE_CHECKING:
    from pathlib import Path

    from obscura_backup_client.device.directory import StateDirectory

PROFILE_FORMAT: Final = 1
# A profile needs a tenth of this.
MAX_PROFILE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """The parameters for sealing on this device, and the milliseconds that one derivation took."""

    parameters: KdfParameters
    milliseconds: int


def read(directory: StateDirectory) -> KdfParameters | None:
    """The calibrated parameters of this device; None if it was not calibrated.

    They are checked against the sealing limits. Otherwise anyone who can write the file could weaken every backup.

    Raises:
        ProfileDamaged, ProfileNewer, StateUnusable: the file cannot be used.
    """
    profile = read_profile(directory)
    return None if profile is None else profile.parameters


def read_profile(directory: StateDirectory) -> DeviceProfile | None:
    """The same with the measured time. Raises as `read`."""
    encoded = directory.read_file(PROFILE_FILE_NAME, max_bytes=MAX_PROFILE_BYTES + 1)
    return None if encoded is None else decode_profile(encoded, directory.path / PROFILE_FILE_NAME)


def save(directory: StateDirectory, profile: DeviceProfile) -> None:
    """Save the profile of this device, and replace an earlier one. Needs no identity.

    Raises:
        RefusedParameters: outside the sealing limits; nothing was written.
        StateBusy, StateUnusable: the file cannot be written; an earlier profile is unchanged.
    """
    require_sealable(profile.parameters)
    with directory.locked_without_reading():
        directory.replace(encode_profile(profile), PROFILE_FILE_NAME)


def encode_profile(profile: DeviceProfile) -> bytes:
    """Encode a profile file."""
    document = {
        "format": PROFILE_FORMAT,
        "memory_kib": profile.parameters.memory_kib,
        "passes": profile.parameters.passes,
        "lanes": profile.parameters.lanes,
        "milliseconds": profile.milliseconds,
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def decode_profile(encoded: bytes, path: Path) -> DeviceProfile:
    """Decode a profile file; `path` is only for the error.

    Raises:
        ProfileNewer: a later version wrote it.
        ProfileDamaged: it is not a profile, or a backup may not be sealed with its parameters.
    """
    if len(encoded) > MAX_PROFILE_BYTES:
        raise ProfileDamaged(path, "it is too long")
    try:
        document = JsonObject(parse(encoded))
        profile_format = document.count("format")
        if profile_format > PROFILE_FORMAT:
            raise ProfileNewer(path, profile_format)
        if profile_format < PROFILE_FORMAT:
            raise ProfileDamaged(path, f"unknown profile format {profile_format}")
        parameters = KdfParameters(document.count("memory_kib"), document.count("passes"), document.count("lanes"))
        require_sealable(parameters)
        return DeviceProfile(parameters, document.count("milliseconds"))
    except JsonError as error:
        raise ProfileDamaged(path, str(error)) from None
    except RefusedParameters as refused:
        raise ProfileDamaged(path, refused.reason) from None
