"""Making the bucket, and the policy of the credentials that the service runs with, by MinIO's SDK (AWS takes both too).

An administrator's work, done once with an administrator's credentials; the service itself never needs them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from obscura_backup.domain.errors import StoreUnusable

if TYPE_CHECKING:
    from collections.abc import Mapping

_OURS_ALREADY = "BucketAlreadyOwnedByYou"
_TIMEOUT_SECONDS = 10.0
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
    origin = urlsplit(endpoint)
    if origin.scheme not in ("http", "https") or not origin.netloc or origin.username is not None:
        raise StoreUnusable("The endpoint has the form http://HOST:PORT or https://HOST.")
    authorities = os.environ.get("AWS_CA_BUNDLE") or None
    pool = urllib3.PoolManager(timeout=_TIMEOUT_SECONDS, retries=False, ca_certs=authorities)
    try:
        client = Minio(
            endpoint=origin.netloc,
            access_key=access_key,
            secret_key=secret_key,
            session_token=session_token,
            secure=origin.scheme == "https",
            region=region,
            http_client=pool,
        )
        if client.bucket_exists(bucket_name=bucket):
            return False
        client.make_bucket(bucket_name=bucket, location=region)
    except S3Error as error:
        if error.code == _OURS_ALREADY:  # somebody else's init-bucket was quicker
            return False
        raise StoreUnusable(f"The store refused to make the bucket {bucket}: {error.code}.") from error
    except (MinioException, HTTPError, OSError) as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):  # the TLS library's own word; urllib3 has no class for it
            raise StoreUnusable(_UNTRUSTED) from error
        raise StoreUnusable(f"The store cannot be asked for the bucket {bucket} ({type(error).__name__}).") from error
    except ValueError as error:
        raise StoreUnusable(f"The bucket name {bucket} is not one that S3 allows.") from error
    finally:
        pool.clear()
    return True


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
