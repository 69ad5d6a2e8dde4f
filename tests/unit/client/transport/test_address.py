from __future__ import annotations

import base64
import json
from typing import Any
from uuid import UUID

import pytest

from obscura_backup_client.transport.address import normalize_address
from obscura_backup_client.transport.bearer_token import user_id_of
from obscura_backup_client.transport.errors import ServerRefused, TokenUnusable
from support.table import table

BLOB = b"sealed" * 10_000
TOKEN = "aaa.bbb.ccc"


@table(
    ("written", "normal"),
    [
        ("HTTPS://Backup.Example:443/", "https://backup.example"),
        ("https://backup.example/a/b/", "https://backup.example/a/b"),
        ("http://127.0.0.1:8400", "http://127.0.0.1:8400"),
        ("http://[::1]:8400/", "http://[::1]:8400"),
        ("http://localhost", "http://localhost"),
        ("http://[0:0::1]", "http://[::1]"),
        ("https://backup.example.", "https://backup.example"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_address_has_one_form(written: str, normal: str) -> None:
    assert normalize_address(written) == normal


@table(
    "url",
    [
        "http://backup.example",
        "http://10.0.0.1:8400",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "ftp://backup.example",
        "backup.example",
        "https://",
        "https://host:port",
        "https://user:hunter2@backup.example",
        "https://backup.example/?a=b",
        "https://backup.example/#a",
        r"http://192.0.2.2\.localhost:8400",
        r"https://192.0.2.2\@backup.example",
        "http://service.localhost:8400",
        "https://backup.example /v1",
        "https://backup\t.example",
        "https://backup.example\n",
        "https://backup\u200b.example",
        "https://backup%2eexample",
        "https://backup.example%5c.other.example",
        "http://[fe80::1%25eth0]",
        "http://[::1",
        "https://[v1.localhost]",
        "https://straße.example",
        "https://back,up.example",
        "https://.",
        "https://" + 127 * "\u00fc.",
    ],
)
def test_an_address_that_is_not_safe_to_send_a_token_to_is_refused(url: str) -> None:
    with pytest.raises(ServerRefused) as refused:
        normalize_address(url)
    assert "hunter2" not in str(refused.value)


def test_a_host_of_253_characters_is_the_longest() -> None:
    longest = "https://" + "a." * 126 + "b"
    assert normalize_address(longest) == longest
    with pytest.raises(ServerRefused):
        normalize_address(longest + "c")


def test_a_host_too_long_for_any_resolver_is_not_encoded_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """IDNA computes for a minute with a label of 20,000 different characters."""
    monkeypatch.setattr("encodings.idna.ToASCII", lambda _: pytest.fail("the long name was encoded"))
    with pytest.raises(ServerRefused):
        normalize_address("https://" + "".join(map(chr, range(0x4E00, 0x4E00 + 20_000))))


def test_plain_http_to_another_machine_must_be_allowed() -> None:
    assert normalize_address("http://10.0.0.1:8400", allow_insecure_http=True) == "http://10.0.0.1:8400"


def jwt(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


def test_the_user_is_the_tokens_subject() -> None:
    user_id = UUID("00112233-4455-6677-8899-aabbccddeeff")
    assert user_id_of(jwt(sub=str(user_id))) == user_id


@table("token", ["", "opaque", "a.b", "a.!.c", "e30.bm8.c", jwt(), jwt(sub="alice"), jwt(sub=5), "a.b.c\r\nX-Evil: 1"])
def test_a_token_that_names_no_user_is_refused_without_being_quoted(token: str) -> None:
    with pytest.raises(TokenUnusable) as refused:
        user_id_of(token)
    assert len(token) < 2 or token not in str(refused.value)
