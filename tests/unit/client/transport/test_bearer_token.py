"""Mistakes in token files, and the claim with the user id."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from obscura_backup_client import AsyncBackupClient, BackupClient
from obscura_backup_client.device.state import Account
from obscura_backup_client.transport.bearer_token import parse_token_file, require_bearer_token, user_id_of
from obscura_backup_client.transport.blocking_transport import HttpTransport
from obscura_backup_client.transport.errors import TokenUnusable
from support.table import table

USER = UUID("00112233-4455-6677-8899-aabbccddeeff")
OTHER = UUID("99999999-8888-4777-8666-555555555555")


def jwt(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


TOKEN = jwt(sub=str(USER))
BYTES = TOKEN.encode()
MARK = b"\xef\xbb\xbf"


@table("content", [BYTES, BYTES + b"\n", BYTES + b"\r\n", b"\n \t" + BYTES + b" \n\n", b"abc==\n"])
def test_blanks_around_a_token_are_not_part_of_it(content: bytes) -> None:
    assert parse_token_file(content) == content.decode().strip()


@table(
    ("content", "says"),
    [
        (MARK + BYTES, "byte order mark; save it as plain text"),
        (MARK + b'"' + BYTES + b'"', "byte order mark"),
        (MARK, "byte order mark"),
        (TOKEN.encode("utf-16"), "UTF-16; save it as plain text"),
        (b"\xfe\xff" + TOKEN.encode("utf-16-be"), "UTF-16"),
        (TOKEN.encode("utf-16-le"), "NUL characters"),
        (BYTES + b"\0", "NUL characters"),
        (b"\0" * 9, "NUL characters"),
        (b"x\0y", "NUL characters"),
        (b'"' + BYTES + b'"\n', "in quotes; remove them"),
        (b"'" + BYTES + b"'", "in quotes"),
        (b"`" + BYTES + b"`", "in quotes"),
        (b'"' + BYTES, "in quotes"),
        (BYTES + b"'", "in quotes"),
        (f"“{TOKEN}”".encode(), "in quotes"),
        (f"«{TOKEN}»".encode(), "in quotes"),
        (b'"Bearer ' + BYTES + b'"', "in quotes"),
        (b"Bearer " + BYTES, "begins with `Bearer`; remove"),
        (b"bearer\t" + BYTES, "begins with `Bearer`"),
        (b"BEARER  " + BYTES, "begins with `Bearer`"),
        (b"Bearer: " + BYTES, "begins with `Bearer`"),
        (b"Bearer\n" + BYTES, "begins with `Bearer`"),
        (b"Authorization: Bearer " + BYTES, "whole header line"),
        (b"authorization:" + BYTES, "whole header line"),
        (b"OBSCURA_TOKEN=" + BYTES, "begins with a name; keep only the value"),
        (b'export TOKEN="' + BYTES + b'"', "begins with a name"),
        (b"token: " + BYTES, "begins with a name"),
        (json.dumps({"access_token": TOKEN}).encode(), "JSON document.*`access_token`"),
        (BYTES + b"\n" + BYTES + b"\n", "several lines; keep one"),
        (BYTES[:30] + b"\r\n" + BYTES[30:], "several lines"),
        (BYTES[:30] + b"\r" + BYTES[30:], "several lines"),
        (BYTES + b" " + BYTES, "a space"),
        (BYTES.replace(b".", b" ."), "a space"),
        (b"", "empty"),
        (b" \r\n\n", "empty"),
        (BYTES[:30] + "…".encode(), "non-ASCII characters"),
        (BYTES.replace(b".", "\N{FULLWIDTH FULL STOP}".encode()), "non-ASCII characters"),
        (b"\x80" + BYTES, "non-ASCII characters"),
        (b"<" + BYTES + b">", "characters that are invalid in a token"),
        (b"-----BEGIN", "not a JWT"),
        (b"opaque", "not a JWT"),
    ],
)
def test_a_file_without_a_token_is_refused_with_the_reason(content: bytes, says: str) -> None:
    with pytest.raises(TokenUnusable, match=says) as refused:
        user_id_of(parse_token_file(content))
    assert TOKEN[4:40] not in str(refused.value), "and it is not quoted"


@table("token", [f"Bearer {TOKEN}", f'"{TOKEN}"', f"\ufeff{TOKEN}", f"{TOKEN}\n{TOKEN}", f"{TOKEN}\0", "", "\n"])
def test_a_passed_token_is_refused_with_the_reason(token: str) -> None:
    with pytest.raises(TokenUnusable):
        require_bearer_token(token)


@pytest.mark.parametrize("token", [f"{TOKEN}\n", f"{TOKEN}\r\n", f" \t{TOKEN} "])
def test_white_space_at_the_ends_of_a_passed_token_is_dropped(token: str, tmp_path: Path) -> None:
    assert require_bearer_token(token) == TOKEN
    client = BackupClient.open(tmp_path, server="https://backup.example", token=token)
    assert client.account == Account("https://backup.example", user_id_of(TOKEN))
    assert HttpTransport("https://backup.example", token).api.token == TOKEN


def test_the_user_is_read_from_the_named_claim() -> None:
    token = jwt(sub="alice", uid=str(USER), **{"https://id.example/user": str(OTHER)})
    assert user_id_of(token, "uid") == USER
    assert user_id_of(token, "https://id.example/user") == OTHER


@table(
    ("claims", "says"),
    [
        ({"uid": str(USER)}, "no claim `sub`"),
        ({"sub": None}, "no claim `sub`"),
        ({"sub": "alice"}, "`sub` is not a UUID"),
        ({"sub": 7}, "`sub` is not a UUID"),
        ({"sub": ""}, "`sub` is not a UUID"),
        ({"sub": f"{USER}\n"}, "`sub` is not a UUID"),
    ],
)
def test_an_invalid_claim_is_refused_with_the_option_for_another(claims: dict[str, Any], says: str) -> None:
    with pytest.raises(TokenUnusable, match=f"{says}; .*--user-claim, OBSCURA_USER_CLAIM"):
        user_id_of(jwt(**claims))


def test_another_claim_is_not_a_fallback() -> None:
    with pytest.raises(TokenUnusable, match="no claim `uid`"):
        user_id_of(TOKEN, "uid")


async def test_both_clients_accept_the_claim(tmp_path: Path) -> None:
    token = jwt(sub=str(OTHER), uid=str(USER))
    client = BackupClient.open(tmp_path, token=token, user_claim="uid")
    client_of_a_loop = AsyncBackupClient.open(tmp_path, token=token, user_claim="uid")
    for account in (client.account, client_of_a_loop.client.account):
        assert account is not None
        assert account.user_id == USER
    default = BackupClient.open(tmp_path, token=token).account
    assert default is not None
    assert default.user_id == OTHER
