"""Setting up S3: makes the bucket, and knows the policy of the service's credentials. Needs an administrator's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, ParamValidationError  # type: ignore[import-untyped]  # no types

from obscura_backup.adapters.object_stores.errors import failure_of_read
from obscura_backup.adapters.s3.advice import advice_for
from obscura_backup.adapters.s3.boto3_driver.client import Client, make_client
from obscura_backup.adapters.s3.boto3_driver.errors import DRIVER_ERRORS, failed_request, reason_of
from obscura_backup.adapters.s3.location import DEFAULT_REGION
from obscura_backup.domain.errors import StoreUnusable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obscura_backup.adapters.s3.location import S3Location

TIMEOUT_SECONDS = 10.0


def init_bucket(location: S3Location) -> bool:
    """Make the bucket if it is missing, with the credentials of the AWS variables; safe to repeat.

    Versioning stays as the administrator has set it. The service does not need it, since it replaces a slot as a whole
    under a condition. Turned on, it would keep every backup that a user replaced or deleted.

    Args:
        location: of the bucket, with its region.

    Returns:
        Whether it was made now; False: it existed.

    Raises:
        StoreUnusable: the store cannot be reached, or refuses. The message quotes no credential.
    """
    client = make_client(
        location, connections=1, connect_timeout_seconds=TIMEOUT_SECONDS, read_timeout_seconds=TIMEOUT_SECONDS
    )
    try:
        return not _exists(client, location.bucket) and _make(client, location)
    except ParamValidationError as error:
        raise StoreUnusable(f"S3 does not allow the bucket name {location.bucket}.") from error
    except ClientError as error:
        raise StoreUnusable(f"The store refused to make the bucket {location.bucket}: {reason_of(error)}.") from error
    except DRIVER_ERRORS as error:
        raise StoreUnusable(str(failure_of_read(failed_request(error), advice_for(location)))) from error
    finally:
        client.close()


def _exists(client: Client, bucket: str) -> bool:
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError:  # without a body that would give the reason; the attempt to make the bucket has one
        return False
    return True


def _make(client: Client, location: S3Location) -> bool:
    parameters: dict[str, Any] = {"Bucket": location.bucket}
    if location.region not in (None, DEFAULT_REGION):
        parameters["CreateBucketConfiguration"] = {"LocationConstraint": location.region}
    try:
        client.create_bucket(**parameters)
    except ClientError as error:
        if reason_of(error) == "BucketAlreadyOwnedByYou":  # another `init-bucket` was faster
            return False
        raise
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
