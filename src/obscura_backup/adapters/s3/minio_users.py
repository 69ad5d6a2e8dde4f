"""Makes the service's user in MinIO, by MinIO's SDK: the extra `obscura-backup[minio]`.

It is the one module that imports the SDK. The SDK encrypts the user's secret on its way, so it brings Argon2 and a
cipher library, which the server itself does without. Users of AWS are made by AWS's own tools.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import urllib3
from minio import MinioAdmin
from minio.credentials.providers import EnvAWSProvider
from minio.error import MinioAdminException, MinioException
from urllib3.exceptions import HTTPError

from obscura_backup.adapters.s3.admin import TIMEOUT_SECONDS, least_privilege_policy
from obscura_backup.adapters.s3.location import DEFAULT_REGION
from obscura_backup.domain.errors import StoreUnusable

if TYPE_CHECKING:
    from obscura_backup.adapters.s3.location import S3Location

_CODE = re.compile(r'"Code": ?"(\w+)"|<Code>(\w+)</Code>|Status: (\d+)')
_HINTS = {
    "XMinioAdminInvalidAccessKey": "it needs at least 3 characters",
    "XMinioAdminInvalidSecretKey": "its secret needs at least 8 characters",
    "InvalidAccessKeyId": "the administrator's access key is unknown",
    "SignatureDoesNotMatch": "the administrator's secret key is wrong",
    "AccessDenied": "the administrator's credentials do not allow it",
}
_NOT_MINIO = "is it a MinIO server? Elsewhere, make the user by the store's own tools, with the policy of --policy"


def init_user(location: S3Location, user: str, user_secret: str) -> None:
    """Make the MinIO user that the service runs as, with the least-privilege policy of this bucket; safe to repeat.

    An existing user of this name gets this secret, and this policy in place of all that it had. Its membership in
    groups is left alone. The AWS variables hold the administrator's credentials.

    Args:
        location: of the bucket, at an endpoint.
        user: its name, which is the access key of the service.
        user_secret: its secret key.

    Raises:
        StoreUnusable: the server cannot be reached, refuses, or is not MinIO. The message quotes no secret.
    """
    if user == os.environ.get("AWS_ACCESS_KEY_ID"):
        raise StoreUnusable("The service's user and the administrator must have different access keys.")
    if location.endpoint is None:
        raise StoreUnusable("AWS has no MinIO users: make the user by AWS's own tools, with the policy of --policy.")
    origin = urlsplit(location.endpoint)
    authorities = os.environ.get("AWS_CA_BUNDLE") or None
    pool = urllib3.PoolManager(timeout=TIMEOUT_SECONDS, retries=False, ca_certs=authorities)
    try:
        admin = MinioAdmin(
            endpoint=origin.netloc,
            credentials=EnvAWSProvider(),
            secure=origin.scheme == "https",
            region=location.region or DEFAULT_REGION,
            http_client=pool,
        )
        policy = f"obscura-backup-{location.bucket}"
        # A new user may do nothing until it has a policy, so a failure half-way leaves no user with too many rights.
        admin.policy_add(policy, policy=dict(least_privilege_policy(location.bucket)))
        admin.user_add(user, user_secret)
        admin.policy_set(policy, user=user)
    except MinioAdminException as error:
        raise StoreUnusable(f"The store refused to make the user {user}: {_reason_of(error)}.") from error
    except (MinioException, HTTPError, OSError, ValueError) as error:
        raise StoreUnusable(f"The store cannot be reached at {location.endpoint} ({type(error).__name__}).") from error
    finally:
        pool.clear()


def _reason_of(error: MinioAdminException) -> str:
    """The server's own code and its meaning. The rest of its text is not quoted: it could hold anything."""
    codes = [next(filter(None, groups)) for groups in _CODE.findall(str(error))]
    code = next((code for code in codes if not code.isdigit()), codes[0] if codes else "no code")
    return f"{code} ({_HINTS.get(code, _NOT_MINIO)})"
