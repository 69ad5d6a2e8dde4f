"""No variable of the environment redirects the token or adds another one."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from obscura_backup_client.async_client import AsyncBackupClient
from obscura_backup_client.client import BackupClient
from support.certificates import certificate_for_this_machine
from support.client.devices import KEY, yes
from support.client.hostile_server import HostileServer, serving
from support.client.known_state import TOKEN, Elsewhere, KnownState, honest

Restore = Callable[[str], int]


@pytest.fixture(params=["blocking", "asyncio"])
def restore(request: pytest.FixtureRequest, tmp_path: Path) -> Restore:
    """Restore from an address to a new device, by the client as an application opens it; the number of contacts."""

    def blocking(address: str) -> int:
        return BackupClient.open(tmp_path / "new", server=address, token=TOKEN).restore(KEY, confirm=yes).contact_count

    def in_a_loop(address: str) -> int:
        client = AsyncBackupClient.open(tmp_path / "new", server=address, token=TOKEN)
        return asyncio.run(client.restore(KEY, confirm=yes)).contact_count

    return blocking if request.param == "blocking" else in_a_loop


@pytest.mark.parametrize(
    "names", [["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"], ["http_proxy", "https_proxy", "all_proxy"]]
)
def test_no_proxy_of_the_environment_gets_the_token(
    restore: Restore,
    liar: HostileServer,
    truth: KnownState,
    elsewhere: Elsewhere,
    monkeypatch: pytest.MonkeyPatch,
    names: list[str],
) -> None:
    for name in names:
        monkeypatch.setenv(name, elsewhere.address)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    liar.replies["GET"] = honest(truth.latest)
    assert restore(liar.address) == 2
    assert liar.heads[0].startswith(b"GET /v1/backup HTTP/1.1\r\n")


def test_no_password_of_a_netrc_takes_the_place_of_the_token(
    restore: Restore, liar: HostileServer, truth: KnownState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\ndefault login somebody password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    liar.replies["GET"] = honest(truth.latest)
    restore(liar.address)
    assert b"Authorization: Bearer " + TOKEN.encode() in liar.heads[0]
    assert b"Basic" not in liar.heads[0]


def test_the_environment_says_which_certificates_are_trusted(
    restore: Restore, liar: HostileServer, truth: KnownState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certificate_for_this_machine(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    liar.replies["GET"] = honest(truth.latest)
    with serving(liar.serve, context) as address:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert restore(address) == 2


@pytest.mark.parametrize("exists", [False, True])
def test_no_file_of_the_environment_gets_the_keys_of_a_connection(
    restore: Restore,
    liar: HostileServer,
    truth: KnownState,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    exists: bool,
) -> None:
    certificate, keys = certificate_for_this_machine(tmp_path), tmp_path / "keys.log"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    liar.replies["GET"] = honest(truth.latest)
    if exists:
        keys.write_bytes(b"")
    with serving(liar.serve, context) as address:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
        assert restore(address) == 2
    assert keys.exists() == exists
    assert not exists or keys.read_bytes() == b""
