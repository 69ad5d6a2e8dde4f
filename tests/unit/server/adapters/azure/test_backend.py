"""Azure Blob Storage: the URL, the client and its credentials, and the names of metadata."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import obstore
import pytest

from obscura_backup.adapters.azure import backend as azure
from obscura_backup.adapters.azure.backend import AzureBackend
from obscura_backup.adapters.azure.location import AzureLocation
from obscura_backup.adapters.object_stores.failed_request import Failure
from obscura_backup.adapters.object_stores.metadata import NAMES
from obscura_backup.adapters.object_stores.obstore_driver.errors import DRIVER_ERRORS, failed_request
from obscura_backup.domain.errors import StoreUnusable
from obscura_backup.domain.model import Tag
from support.servers.in_process.threaded_server import Recorder
from support.servers.programs.native import free_port
from support.table import table

if TYPE_CHECKING:
    from obstore.store import ObjectStore

EMULATOR = "az://backups?endpoint=http://127.0.0.1:10000/account"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AZURE_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments that obstore gets."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(azure, "AzureStore", lambda container, **named: given.update(container=container, **named))
    return given


def make(url: str) -> ObjectStore:
    return AzureBackend(AzureLocation.parse(url)).make_store(connect_timeout_seconds=2, read_timeout_seconds=10)


@table(
    ("url", "location"),
    [
        ("az://backups", AzureLocation("backups")),
        ("az://a-container-7/", AzureLocation("a-container-7")),
        (EMULATOR, AzureLocation("backups", "http://127.0.0.1:10000/account")),
    ],
)
def test_location(url: str, location: AzureLocation) -> None:
    assert AzureLocation.parse(url) == location


@table(
    "url",
    [
        "gs://hush-hush",
        "az://",
        "az://ab",
        "az://Hush",
        "az://two--hyphens",
        "az://-hush",
        "az://hush-",
        "az://" + "hush" * 16,
        "az://hush.example",
        "az://account:hush@backups",
        "az://backups/hush",
        "az://backups?account=hush",
        "az://backups?endpoint=hush",
    ],
)
def test_anything_else_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        AzureLocation.parse(url)
    assert "hush" not in str(refused.value).lower()


def test_nothing_is_repeated_and_no_request_ends_while_it_goes_on(made: dict[str, Any]) -> None:
    make("az://backups")
    assert (made["container"], made["use_emulator"], "endpoint" in made) == ("backups", False, False)
    assert made["retry_config"]["max_retries"] == 0
    options = made["client_options"]
    assert (options["connect_timeout"], options["read_timeout"]) == (timedelta(seconds=2), timedelta(seconds=10))
    assert options["timeout"] >= timedelta(hours=1)


def test_account_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME")
    with pytest.raises(StoreUnusable, match="set AZURE_STORAGE_ACCOUNT_NAME"):
        make("az://backups")


SECRETS = {
    "AZURE_STORAGE_ACCOUNT_KEY": "c2VjcmV0",
    "AZURE_STORAGE_SAS_TOKEN": "sig=hush",
    "AZURE_STORAGE_TOKEN": "hush",
    "AZURE_CLIENT_SECRET": "hush",
    "AZURE_CLIENT_ID": "client",
    "AZURE_TENANT_ID": "tenant",
}


@pytest.mark.parametrize(
    "names",
    [(), ("AZURE_STORAGE_TOKEN",), ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID")],
    ids=["none", "token", "service principal"],
)
def test_without_a_key_there_is_nothing_to_send_without_tls(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    for name in names:
        monkeypatch.setenv(name, SECRETS[name])
    with pytest.raises(StoreUnusable, match=r"AZURE_STORAGE_ACCOUNT_KEY .*AZURE_STORAGE_SAS_TOKEN.* https:"):
        make(EMULATOR)


@pytest.mark.parametrize("host", ["azurite:10000", "192.0.2.1:10000", "localhost.example"])
def test_sas_token_stays_on_this_machine_without_tls(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "sig=hush")
    with pytest.raises(StoreUnusable, match="AZURE_STORAGE_ACCOUNT_KEY"):
        make(f"az://backups?endpoint=http://{host}/account")
    for local in ("127.0.0.1:10000", "[::1]:10000", "localhost"):
        make(f"az://backups?endpoint=http://{local}/account")


@pytest.mark.parametrize("credential", ["AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN"])
async def test_no_other_credential_leaves_without_tls(monkeypatch: pytest.MonkeyPatch, credential: str) -> None:
    """The driver would prefer the token to a key, and the service principal to a SAS token."""
    for name, value in {**SECRETS, "AZURE_CREDENTIAL_TYPE": "bearer_token"}.items():
        monkeypatch.setenv(name, value)
    if credential != "AZURE_STORAGE_ACCOUNT_KEY":
        monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_KEY")
    with Recorder() as server:
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", f"http://127.0.0.1:{server.port}")
        store = make(f"az://backups?endpoint=http://127.0.0.1:{server.port}/account")
        await obstore.put_async(store, "key", b"x", mode="create", use_multipart=False)
    (path, headers), *others = server.requests
    assert others == []
    assert path.partition("?")[::2] == ("/account/backups/key", "" if "KEY" in credential else "sig=hush")
    assert headers.get("authorization", "").startswith("SharedKey account:" if "KEY" in credential else "")
    assert "hush" not in str(headers)


@pytest.mark.parametrize(
    "variables",
    [
        {
            "AZURE_STORAGE_TOKEN": "hush",
            "AZURE_STORAGE_ENDPOINT": "http://127.0.0.1:{port}",
            "AZURE_ALLOW_HTTP": "true",
        },
        {
            "AZURE_CLIENT_ID": "client",
            "AZURE_CLIENT_SECRET": "hush",
            "AZURE_TENANT_ID": "tenant",
            "AZURE_AUTHORITY_HOST": "http://127.0.0.1:{port}",
        },
    ],
    ids=["endpoint", "authority"],
)
async def test_variable_that_names_a_server_without_tls_gets_no_credentials(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    with Recorder() as server:
        for name, value in variables.items():
            monkeypatch.setenv(name, value.format(port=server.port))
        store = make("az://backups")
        with pytest.raises(DRIVER_ERRORS):
            await obstore.put_async(store, "key", b"x", mode="create", use_multipart=False)
    assert server.requests == []


def test_encryption_key_is_not_sent_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0")
    monkeypatch.setenv("AZURE_STORAGE_ENCRYPTION_KEY", "aHVzaCwgYSBrZXkgb2YgdGhpcnR5LXR3byBieXRlcyE=")
    with pytest.raises(StoreUnusable, match=r"AZURE_STORAGE_ENCRYPTION_KEY .* unset it") as refused:
        make(EMULATOR)
    assert "aHVz" not in str(refused.value)
    make("az://backups")


async def test_managed_identity_is_asked_for_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its server is part of the machine, and gets no credentials."""
    with Recorder() as server:
        monkeypatch.setenv("AZURE_MSI_ENDPOINT", f"http://127.0.0.1:{server.port}/token")
        store = make(f"az://backups?endpoint=https://127.0.0.1:{free_port()}")
        with pytest.raises(DRIVER_ERRORS):
            await obstore.put_async(store, "key", b"x", mode="create", use_multipart=False)
    assert [path.partition("?")[0] for path, _ in server.requests] == ["/token"]


@pytest.mark.parametrize("url", ["az://backups", EMULATOR])
def test_connection_string_alone_is_refused_with_what_to_set(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "AccountName=account;AccountKey=hush")
    with pytest.raises(StoreUnusable, match="AZURE_STORAGE_ACCOUNT_KEY to its AccountKey") as refused:
        make(url)
    assert "hush" not in str(refused.value)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0")
    make(url)


def test_key_that_is_none_is_told_and_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "hush, no base64")
    with pytest.raises(StoreUnusable, match="check the AZURE variables") as refused:
        make("az://backups")
    assert "hush" not in str(refused.value)


async def test_missing_token_is_no_answer_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_MSI_ENDPOINT", f"http://127.0.0.1:{free_port()}/token")
    store = make(f"az://backups?endpoint=https://127.0.0.1:{free_port()}")
    with pytest.raises(DRIVER_ERRORS) as raised:
        await obstore.put_async(store, "key", b"x", mode="create", use_multipart=False)
    assert failed_request(raised.value, "PutObject").failure is Failure.NO_CREDENTIALS


def test_tag_is_the_etag() -> None:
    backend = AzureBackend(AzureLocation("backups"))
    assert backend.tag_of({"e_tag": '"0x8DC"', "version": None}) == Tag("0x8DC")
    assert backend.condition_on(Tag("0x8DC")) == {"e_tag": '"0x8DC"'}
    assert backend.condition_on(None) == "create"


def test_names_of_metadata_are_identifiers_and_come_back_in_any_case() -> None:
    backend = AzureBackend(AzureLocation("backups"))
    metadata = {name: f"value of {name}" for name in NAMES}
    stored = backend.stored_metadata(metadata)
    assert all(name.isidentifier() for name in stored)
    assert backend.our_metadata({name.title(): value for name, value in stored.items()}) == metadata


@table(("code", "hint"), [("ContainerNotFound", "--name backups`"), ("AuthorizationPermissionMismatch", "Contributor")])
def test_refusal_names_the_way_out(code: str, hint: str) -> None:
    assert hint in AzureBackend(AzureLocation("backups")).advice.by_code[code]
