"""Files and flags of the command: what is refused, how soon, and with which message."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from support.servers.command import refused, run
from support.servers.service import SECRET, Service, free_port

CLIENT = Path(sys.executable).parent / "obscura-client"
OTHER_USER = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")


def serve(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), *arguments, environment=environment)


@pytest.fixture
def pipe(tmp_path: Path) -> str:
    os.mkfifo(tmp_path / "pipe")
    return str(tmp_path / "pipe")


@pytest.mark.parametrize("command", ["serve", "migrate", "doctor", "scrub"])
def test_password_in_the_flag_is_refused_by_every_command(command: str) -> None:
    result = run(command, "--metadata-url=postgresql://u:hunter2@127.0.0.1:1/db")
    refused(result, 2, "--metadata-url must not hold a password")
    assert "hunter2" not in result.stderr
    assert "OBSCURA_BACKUP_METADATA_URL" in result.stderr


def test_flag_without_a_password_and_the_variable_with_one_get_as_far_as_the_server() -> None:
    closed = free_port()
    by_flag = run("migrate", "--metadata-url", f"postgresql://u@127.0.0.1:{closed}/db")
    variable = {"OBSCURA_BACKUP_METADATA_URL": f"postgresql://u:hunter2@127.0.0.1:{closed}/db"}
    for result in (by_flag, run("migrate", environment=variable)):
        assert result.returncode == 3, result.stderr
        assert "hunter2" not in result.stderr


@pytest.mark.parametrize("name", ["/dev/zero", "pipe", "."])
def test_key_set_that_is_no_regular_file_is_refused_at_once(tmp_path: Path, pipe: str, name: str) -> None:
    path = str(Path(pipe).parent / name)
    refused(serve(tmp_path, OBSCURA_BACKUP_AUTH_JWKS=path), 3, "not a regular file")


@pytest.mark.parametrize("name", ["/dev/zero", "pipe"])
def test_configuration_that_is_no_regular_file_is_refused_at_once(tmp_path: Path, pipe: str, name: str) -> None:
    path = str(Path(pipe).parent / name)
    refused(serve(tmp_path, "--config", path), 2, "not a regular file")
    refused(serve(tmp_path, OBSCURA_BACKUP_CONFIG=path), 2, "not a regular file")


@pytest.mark.parametrize("name", ["/dev/zero", "pipe"])
def test_named_secret_that_is_no_regular_file_is_refused_at_once(tmp_path: Path, pipe: str, name: str) -> None:
    refused(serve(tmp_path, OBSCURA_BACKUP_AUTH_SECRET_FILE=str(Path(pipe).parent / name)), 2, "not a regular file")


def test_named_secret_is_the_one_that_signs_and_verifies(tmp_path: Path) -> None:
    (tmp_path / "mounted").write_text(SECRET + "\n")
    (tmp_path / "link").symlink_to("mounted")
    environment = {"OBSCURA_BACKUP_AUTH_SECRET": "", "OBSCURA_BACKUP_AUTH_SECRET_FILE": str(tmp_path / "link")}
    service = Service(tmp_path / "data", environment=environment)
    service.start()
    try:
        claims = {"sub": str(uuid4()), "exp": 99_999_999_999}
        assert service.request("GET", token=jwt.encode(claims, SECRET, "HS256")).status == 404
        assert service.request("GET", token=service.token(uuid4())).status == 404
        assert not (tmp_path / "data" / "auth-secret").exists()
    finally:
        service.kill()


@pytest.mark.parametrize("what", ["link", "pipe", "another user's", pytest.param("directory's owner", marks=as_root)])
def test_secret_in_the_data_directory_that_cannot_be_trusted_is_refused(tmp_path: Path, what: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    secret = data / "auth-secret"
    says = {"link": "symbolic link", "pipe": "named pipe"}.get(what, "belongs to another user")
    match what:
        case "link":
            (tmp_path / "secret").write_text(SECRET)
            secret.symlink_to(tmp_path / "secret")
        case "pipe":
            os.mkfifo(secret, 0o600)
        case _:
            if os.geteuid() != 0:
                pytest.skip("only root can give files to another user")
            secret.write_text(SECRET)
            secret.chmod(0o600)
            os.chown(data if what == "directory's owner" else secret, OTHER_USER, OTHER_USER)
    refused(serve(tmp_path), 3, says)
    refused(run("token", str(uuid4()), "--data-dir", str(data)), 3, says)
    examined = run("doctor", "--data-dir", str(data))
    assert (examined.returncode, says in examined.stdout) == (5, True)


@pytest.mark.parametrize("what", ["link", "pipe", "folder", "/dev/full"])
def test_token_is_written_into_a_new_file_only(tmp_path: Path, what: str) -> None:
    out, elsewhere = Path(tmp_path / "out" if what != "/dev/full" else what), tmp_path / "elsewhere"
    elsewhere.write_text("as it was")
    match what:
        case "link":
            out.symlink_to(elsewhere)
        case "pipe":
            os.mkfifo(out)
        case "folder":
            out.mkdir()
    result = run("token", str(uuid4()), "--data-dir", str(tmp_path / "data"), "--out", str(out))
    assert (result.returncode, result.stdout, elsewhere.read_text()) == (2, "", "as it was"), result.stderr


def test_program_that_holds_the_old_file_open_does_not_see_the_token(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.touch(0o666)
    with out.open() as reader:
        assert run("token", str(uuid4()), "--data-dir", str(tmp_path / "data"), "--out", str(out)).returncode == 0
        assert reader.read() == ""
    assert out.read_text().count(".") == 2
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["data", "out"]


def test_user_claim_of_the_service_works_with_the_client(tmp_path: Path) -> None:
    """From the operator's token to a push and a status, with keys and a claim of an identity provider."""
    key, user_id = ed25519.Ed25519PrivateKey.generate(), uuid4()
    public = json.loads(jwt.get_algorithm_by_name("EdDSA").to_jwk(key.public_key()))
    entries = [{**public, "alg": "Ed25519", "use": "", "key_ops": [], "kid": None}] * 2
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": entries}))
    environment = {
        "OBSCURA_BACKUP_AUTH_SECRET": "",
        "OBSCURA_BACKUP_AUTH_JWKS": str(tmp_path / "jwks.json"),
        "OBSCURA_BACKUP_AUTH_USER_CLAIM": "uid",
    }
    service = Service(tmp_path / "data", environment=environment)
    service.start()
    try:
        claims = {"sub": "alice", "uid": str(user_id), "exp": 99_999_999_999}
        (tmp_path / "token").write_text(jwt.encode(claims, key, "EdDSA") + "\n")
        (tmp_path / "password").write_text("correct horse battery staple\n")

        def client(*arguments: str) -> bytes:
            command = [str(CLIENT), *arguments, "--state", str(tmp_path / "state"), "--user-claim", "uid", "--json"]
            files = ["--token-file", str(tmp_path / "token"), "--password-file", str(tmp_path / "password")]
            server = ["--server", f"http://127.0.0.1:{service.port}"]
            return subprocess.run([*command, *files, *server], check=True, capture_output=True, timeout=60).stdout

        client("new")
        assert json.loads(client("push", "--profile", "low-memory"))["uploaded"]
        assert json.loads(client("status"))["account"]["user_id"] == str(user_id)
    finally:
        service.kill()
