from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.certificates import certificate_for_this_machine


@pytest.fixture(scope="session", autouse=True)
def one_trusted_certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trust one authority, which issued nothing: to read all those of this machine takes long for each connection."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SSL_CERT_FILE", str(certificate_for_this_machine(tmp_path_factory.mktemp("trusted"))))
        yield


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this machine, which is not trusted."""
    return certificate_for_this_machine(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust `certificate`."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
