"""Reads the URL of a bucket, `SCHEME://BUCKET?NAME=VALUE&…`. Imports no driver.

Messages name the wrong part and quote none of it: it may hold a secret.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    import re


@dataclass(frozen=True, slots=True)
class UrlForm:
    """What a URL of one kind of store looks like.

    Attributes:
        form: of the URL, in words.
        schemes: that it may have.
        name: of a bucket, as the store allows.
        wrong_name: the message about another name.
        parameters: that it may have.
        wrong_parameters: the message about others.
        credentials: where they come from.
    """

    form: str
    schemes: tuple[str, ...]
    name: re.Pattern[str]
    wrong_name: str
    parameters: frozenset[str]
    wrong_parameters: str
    credentials: str

    def parse(self, url: str) -> tuple[str, dict[str, str]]:
        """The name of the bucket, and the parameters. `endpoint` is known to be an origin.

        Raises:
            ValueError: the URL is malformed.
        """
        parts = urlsplit(url)
        if parts.scheme not in self.schemes or parts.path not in ("", "/") or parts.fragment:
            raise ValueError(f"it has the form {self.form}")
        if not self.name.fullmatch(parts.netloc):
            raise ValueError(f"{self.wrong_name}; credentials come from {self.credentials}")
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        given = dict(pairs)
        if len(given) != len(pairs) or given.keys() - self.parameters:
            raise ValueError(self.wrong_parameters)
        if "endpoint" in given:
            self._require_origin(given["endpoint"])
        return parts.netloc, given

    def _require_origin(self, endpoint: str) -> None:
        malformed = "its endpoint has the form http://HOST:PORT or https://HOST"
        try:
            parts = urlsplit(endpoint)
        except ValueError:  # its text quotes the host
            raise ValueError(malformed) from None
        if parts.username is not None or parts.password is not None:
            raise ValueError(f"its endpoint must not hold credentials; they come from {self.credentials}")
        port = parts.netloc.rpartition("]")[2].partition(":")[2]
        is_origin = parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment)
        if not is_origin or not (port.isdecimal() or not port):
            raise ValueError(malformed)


@dataclass(frozen=True, slots=True)
class BucketLocation:
    """A bucket and how to reach it. A subclass gives the form of its URL.

    Attributes:
        bucket: its name.
        endpoint: of a server other than the cloud's public one; None: that one.
    """

    FORM: ClassVar[UrlForm]

    bucket: str
    endpoint: str | None = None

    @property
    def has_tls(self) -> bool:
        """Whether requests are encrypted. Emulators, and S3 stores of a private network, may have no TLS."""
        return self.endpoint is None or urlsplit(self.endpoint).scheme == "https"

    @property
    def is_loopback(self) -> bool:
        """Whether the endpoint is on this machine, so that no network sees requests."""
        host = urlsplit(self.endpoint or "").hostname or ""
        with suppress(ValueError):
            return ip_address(host).is_loopback
        return host == "localhost"

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL of this form.

        Raises:
            ValueError: it is malformed. The message names the part and quotes none of it: it may hold a secret.
        """
        bucket, given = cls.FORM.parse(url)
        return cls(bucket, **cls._fields_of(given))

    @classmethod
    def _fields_of(cls, given: dict[str, str]) -> dict[str, Any]:
        """The other fields, from the parameters of the URL."""
        return dict(given)
