"""What to do about the refusals of an S3 store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup.adapters.object_stores.errors import Advice

if TYPE_CHECKING:
    from obscura_backup.adapters.s3.location import S3Location

_KEYS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_REGION = "the region is wrong (region=NAME in the blobs URL)"
_HINTS = {
    "AuthorizationHeaderMalformed": _REGION,
    "PermanentRedirect": _REGION,
    "AccessDenied": "the policy of these credentials must allow it",
    "InvalidAccessKeyId": _KEYS,
    "NoSuchBucket": "make the bucket with `obscura-backup init-bucket`",
    "NotImplemented": "the store supports no conditional writes, or no checksums (checksums=off in the blobs URL)",
    "RequestTimeTooSkewed": "the clock of this machine or of the store is wrong",
    "SignatureDoesNotMatch": _KEYS,
}

# The store finds no bucket in this form of address, or redirects. The last two are codes of Alibaba and Tencent for a
# bucket's name that belongs into the host.
_MISADDRESSED = (
    "301",
    "307",
    "InvalidBucketName",
    "NoSuchBucket",
    "PermanentRedirect",
    "TemporaryRedirect",
    "PathStyleDomainForbidden",
    "SecondLevelDomainForbidden",
)
_CREDENTIAL_CODES = frozenset({"AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


def advice_for(location: S3Location) -> Advice:
    """The advice for a bucket at this location."""
    other = location.other_addressing
    other_form = f"if the bucket and its region are right, try addressing={other} in the blobs URL"
    hints = {code: (hint,) for code, hint in _HINTS.items()}
    for code in _MISADDRESSED:
        hints[code] = (*hints.get(code, ()), other_form)
    # In the virtual form the bucket's name is part of the host name, which may not resolve.
    unreachable = "If the host name with the bucket in front does not resolve, try addressing=path in the blobs URL."
    return Advice(
        by_code={code: "; ".join(texts) for code, texts in hints.items()},
        credential_codes=_CREDENTIAL_CODES,
        certificates="AWS_CA_BUNDLE",
        credentials="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role of this machine",
        uploads="For a store without checksums, set checksums=off.",
        unreachable=unreachable if other == "path" else "",
    )
