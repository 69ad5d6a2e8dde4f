"""Responses that try to send a token or an upload to another server."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from obscura_backup_client.transport.errors import ServerRefused, Unauthorized
from support.certificates import certificate_for_this_machine
from support.client.devices import KEY
from support.client.hostile_server import HostileServer, reply, serving
from support.client.known_state import TOKEN, Elsewhere, KnownState, Phone, honest, require_nothing_from


@pytest.mark.parametrize(
    ("status", "where"),
    [
        *((status, "elsewhere") for status in (300, 301, 302, 303, 307, 308)),
        *((307, where) for where in ("here", "by name", "without a scheme")),
    ],
)
def test_no_redirect_is_followed_by_any_request(
    phone: Phone, liar: HostileServer, elsewhere: Elsewhere, status: int, where: str
) -> None:
    port = elsewhere.address.rpartition(":")[2]
    location = {
        "elsewhere": f"{elsewhere.address}/v1/backup",
        "here": f"{liar.address}/v2/backup",
        "by name": f"http://localhost:{port}/v1/backup",
        "without a scheme": f"//127.0.0.1:{port}/v1/backup",
    }[where]
    said = reply(status, b"", f"Location: {location}")
    liar.replies = {"GET": said, "HEAD": said}
    client = phone()
    require_nothing_from(client, ServerRefused)
    with pytest.raises(ServerRefused):
        client.status()
    assert liar.asked == ["GET", "GET", "HEAD"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_upload_or_deletion_is_redirected(
    phone: Phone, liar: HostileServer, truth: KnownState, elsewhere: Elsewhere, status: int
) -> None:
    said = reply(status, b"", f"Location: {elsewhere.address}/v1/backup")
    liar.replies = {"GET": honest(truth.latest), "HEAD": honest(truth.latest), "POST": said, "DELETE": said}
    client = phone()
    known = client.directory.read().last_seen
    with pytest.raises(ServerRefused):
        client.push(KEY)
    with pytest.raises(ServerRefused):
        client.delete(confirm=lambda _: True)
    assert client.directory.read().last_seen == known


def test_no_redirect_leads_from_tls_to_plain_http(
    phone: Phone, liar: HostileServer, elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certificate_for_this_machine(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    liar.replies["GET"] = reply(301, b"", f"Location: {elsewhere.address}/v1/backup")
    with serving(liar.serve, context) as address:
        require_nothing_from(phone(address=address), ServerRefused)
    assert liar.asked == ["GET", "GET"]


@pytest.mark.parametrize(
    "challenge",
    [
        'Basic realm="{}"',
        'Bearer realm="{}/token", authorization_uri="{}/authorize", resource_metadata="{}/x"',
        "Negotiate",
        'Digest realm="{}", nonce="1", uri="{}/v1/backup"',
    ],
)
def test_an_authentication_challenge_is_not_answered(
    phone: Phone, liar: HostileServer, elsewhere: Elsewhere, challenge: str
) -> None:
    challenge = challenge.replace("{}", elsewhere.address)
    liar.replies["GET"] = reply(401, b"", f"WWW-Authenticate: {challenge}")
    require_nothing_from(phone(), Unauthorized)
    assert len(liar.heads) == 2


@pytest.mark.parametrize(
    "trick",
    [
        "Location: {}/v1/backup",
        "Content-Location: {}/v1/backup",
        "Refresh: 0; url={}/v1/backup",
        'Alt-Svc: h2="127.0.0.1:{port}"; ma=3600, http/1.1="127.0.0.1:{port}"',
        "Link: <{}/v1/backup>; rel=preload",
        "Upgrade: h2c",
        "Set-Cookie: session=stolen; Path=/; Max-Age=3600",
        "Proxy-Authenticate: Basic",
        "Strict-Transport-Security: max-age=31536000",
    ],
)
def test_suggestions_in_response_headers_are_not_followed(
    phone: Phone, liar: HostileServer, truth: KnownState, elsewhere: Elsewhere, trick: str
) -> None:
    line = trick.replace("{port}", elsewhere.address.rpartition(":")[2]).replace("{}", elsewhere.address)
    liar.replies = {"GET": honest(truth.latest, 2, line), "POST": reply(200, b"", 'ETag: "3"', line)}
    assert phone().push(KEY).version == 3
    assert liar.asked == ["GET", "POST"]
    assert not any(b"cookie" in head.lower() or b"upgrade" in head.lower() for head in liar.heads)


def test_the_token_goes_to_the_named_server_with_every_request_and_in_one_header_only(
    phone: Phone, liar: HostileServer, truth: KnownState
) -> None:
    liar.replies = {"GET": honest(truth.latest), "POST": reply(200, b"", 'ETag: "3"')}
    phone().push(KEY)
    named = liar.address.removeprefix("http://").encode()
    for head in liar.heads:
        assert head.count(TOKEN.encode()) == head.count(b"Authorization: Bearer " + TOKEN.encode()) == 1
        assert b"Host: " + named in head
