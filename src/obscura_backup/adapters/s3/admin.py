"""Making the bucket, the policy of the service's credentials, and its user in MinIO, by MinIO's SDK.

AWS takes the first two as well; its users are made by its own tools. An administrator's work, done once with an
administrator's credentials; the service itself never needs them.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

import urllib3
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, MinioException, S3Error
from urllib3.exceptions import HTTPError

from obscura_backup.domain.errors import StoreUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OURS_ALREADY = "BucketAlreadyOwnedByYou"
_TIMEOUT_SECONDS = 10.0
_ADMIN_CODE = re.compile(r'"Code": ?"(\w+)"|<Code>(\w+)</Code>|Status: (\d+)')
_ADMIN_HINTS = {
    "XMinioAdminInvalidAccessKey": "it needs 3 characters at least",
    "XMinioAdminInvalidSecretKey": "its secret needs 8 characters at least",
    "InvalidAccessKeyId": "the administrator's access key is unknown",
    "SignatureDoesNotMatch": "the administrator's secret key is wrong",
    "AccessDenied": "the administrator's credentials may not do this",
}
_MALFORMED = "The endpoint has the form http://HOST:PORT or https://HOST."
_NOT_MINIO = "is it a MinIO server? Elsewhere, make the user by the store's own tools, with the policy of --policy"
_UNTRUSTED = "The certificate of the store is not trusted; AWS_CA_BUNDLE names the file of its authority."


def init_bucket(
    endpoint: str, bucket: str, *, region: str, access_key: str, secret_key: str, session_token: str | None = None
) -> bool:
    """Make the bucket where it is missing; safe to repeat.

    Versioning stays as the administrator has set it. The service does not need it (a slot is replaced as a whole, under
    a condition), and to turn it on would keep every backup that a user replaced or deleted: a decision about other
    people's data that is not ours to take in passing.

    Under TLS the store's certificate is checked against the authorities in the file that AWS_CA_BUNDLE names, as the
    service itself does it, or against the system's.

    Args:
        endpoint: `http://HOST:PORT` or `https://HOST`.
        bucket: its name.
        region: to make it in.
        access_key: of an administrator.
        secret_key: of the same.
        session_token: of the same, where the credentials are temporary.

    Returns:
        Whether it was made now; False: it was there.

    Raises:
        StoreUnusable: the store cannot be reached, or refuses. The message quotes no credential.
    """
    with _reached(endpoint) as (origin, pool):
        client = Minio(
            endpoint=origin.netloc,
            access_key=access_key,
            secret_key=secret_key,
            session_token=session_token,
            secure=origin.scheme == "https",
            region=region,
            http_client=pool,
        )
        try:
            if client.bucket_exists(bucket_name=bucket):
                return False
            client.make_bucket(bucket_name=bucket, location=region)
        except S3Error as error:
            if error.code == _OURS_ALREADY:  # another init-bucket was quicker
                return False
            raise StoreUnusable(f"The store refused to make the bucket {bucket}: {error.code}.") from error
        except ValueError as error:
            raise StoreUnusable(f"The bucket name {bucket} is not one that S3 allows.") from error
    return True


def init_user(
    endpoint: str,
    bucket: str,
    *,
    region: str,
    access_key: str,
    secret_key: str,
    user: str,
    user_secret: str,
    session_token: str | None = None,
) -> None:
    """Make the MinIO user that the service runs as, with the least-privilege policy of this bucket; safe to repeat.

    A user of this name that is there already gets this secret and, in place of all policies it had, this one. Its
    membership in groups is left alone.

    Args:
        endpoint: of a MinIO server: `http://HOST:PORT` or `https://HOST`.
        bucket: that the user may use, as `least_privilege_policy` says.
        region: of the server.
        access_key: of an administrator of the server.
        secret_key: of the same.
        user: its name, which is the access key of the service.
        user_secret: its secret key. The SDK encrypts it on its way.
        session_token: of the administrator, where those credentials are temporary.

    Raises:
        StoreUnusable: the server cannot be reached, refuses, or is not MinIO. The message quotes no secret.
    """
    if user == access_key:
        raise StoreUnusable("The service's user and the administrator must have different access keys.")
    with _reached(endpoint) as (origin, pool):
        admin = MinioAdmin(
            endpoint=origin.netloc,
            credentials=StaticProvider(access_key, secret_key, session_token),
            secure=origin.scheme == "https",
            region=region,
            http_client=pool,
        )
        policy = f"obscura-backup-{bucket}"
        try:
            # A new user may do nothing until it has a policy, so that a failure half-way leaves no user with too much.
            admin.policy_add(policy, policy=dict(least_privilege_policy(bucket)))
            admin.user_add(user, user_secret)
            admin.policy_set(policy, user=user)
        except MinioAdminException as error:
            raise StoreUnusable(f"The store refused to make the user {user}: {_why(error)}.") from error


def _why(error: MinioAdminException) -> str:
    """The server's own code, and what it means; of its text nothing else, which could be anything."""
    codes = [next(filter(None, groups)) for groups in _ADMIN_CODE.findall(str(error))]
    code = next((code for code in codes if not code.isdigit()), codes[0] if codes else "no code")
    return f"{code} ({_ADMIN_HINTS.get(code, _NOT_MINIO)})"


@contextmanager
def _reached(endpoint: str) -> Iterator[tuple[SplitResult, urllib3.PoolManager]]:
    origin = urlsplit(endpoint)
    if origin.scheme not in ("http", "https") or not origin.netloc or origin.username is not None:
        raise StoreUnusable(_MALFORMED)
    authorities = os.environ.get("AWS_CA_BUNDLE") or None
    pool = urllib3.PoolManager(timeout=_TIMEOUT_SECONDS, retries=False, ca_certs=authorities)
    try:
        yield origin, pool
    except (MinioException, HTTPError, OSError) as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):  # the TLS library's own word; urllib3 has no class for it
            raise StoreUnusable(_UNTRUSTED) from error
        raise StoreUnusable(f"The store cannot be reached at {endpoint} ({type(error).__name__}).") from error
    except ValueError as error:  # the SDK's, of a host or a port that is none
        raise StoreUnusable(_MALFORMED) from error
    finally:
        pool.clear()


def least_privilege_policy(bucket: str) -> Mapping[str, Any]:
    """The IAM policy of exactly what the service does, ready for `json.dumps`.

    It never deletes a backup, so a stolen key cannot either; it may delete its own scratch objects. The listing is not
    bound to a prefix: S3 tells an absent key from a forbidden one only to who may list the bucket, and a condition on
    the prefix, which a GET does not have, would take that away.
    """
    arn = f"arn:aws:s3:::{bucket}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "ReadAndReplaceBackups",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject"],
                "Resource": [f"{arn}/backups/*"],
            },
            {
                "Sid": "TryOutConditionalWrites",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                "Resource": [f"{arn}/probes/*"],
            },
            {
                "Sid": "TellAbsentFromForbidden",
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
                "Resource": [arn],
            },
        ],
    }
