"""What the HTTP API promises of tokens, and of all that is not the backup itself."""

from __future__ import annotations

import base64
import socket
import time
from uuid import uuid4

import pytest

from contracts.http_people import PersonFixture, blob
from support.servers.in_process.bounded_protocol import eventually
from support.servers.service import Person, Service, signed

MIB = 1024 * 1024


class AuthenticationContract(PersonFixture):
    """Who is asking."""

    @pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
    def test_token_is_needed(self, service: Service, method: str) -> None:
        answer = service.request(method, token=None, body=blob() if method == "POST" else None)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")

    @pytest.mark.parametrize(
        "authorization", ["", "Bearer", "Bearer ", "Basic dTpw", "Bearer x.y.z", "Bearer a b", "Token abc", "bearer"]
    )
    def test_no_proper_bearer_token(self, service: Service, authorization: str) -> None:
        answer = service.request("GET", token=None, headers={"Authorization": authorization})
        assert (answer.status, answer.problem) == (401, "unauthenticated")

    def test_bearer_in_any_case(self, service: Service, person: Person) -> None:
        answer = service.request("GET", token=None, headers={"Authorization": f"bEARER {person.token}"})
        assert answer.status == 404

    def test_two_tokens(self, service: Service, person: Person) -> None:
        headers = [("Authorization", f"Bearer {person.token}")]
        assert service.request("GET", token=person.token, headers=headers).status == 401

    @pytest.mark.parametrize(
        "claims",
        [
            {},
            {"exp": -600},
            {"exp": 3600, "nbf": 1800},
            {"exp": 3600, "sub": "alice"},
            {"exp": 3600, "sub": 7},
            {"exp": 3600, "sub": "00112233445566778899aabbccddeeff"},
            {"exp": 3600, "sub": None},
        ],
    )
    def test_token_with_bad_claims(self, service: Service, claims: dict[str, object]) -> None:
        now = int(time.time())
        whole: dict[str, object] = {"sub": str(uuid4()), **claims}
        for name in ("exp", "nbf"):
            if isinstance(offset := whole.get(name), int):
                whole[name] = now + offset
        if whole["sub"] is None:
            del whole["sub"]
        answer = service.request("GET", token=signed(whole) if whole.get("sub") != 7 else _hand_made(whole))
        assert (answer.status, answer.problem) == (401, "unauthenticated")
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]

    def test_token_of_another_secret(self, service: Service) -> None:
        claims = {"sub": str(uuid4()), "exp": int(time.time()) + 60}
        answer = service.request("GET", token=signed(claims, secret="some other secret of 32 bytes or more"))
        assert answer.status == 401

    @pytest.mark.parametrize("algorithm", ["none", "HS512"])
    def test_algorithm_is_the_keys_not_the_tokens(self, service: Service, algorithm: str) -> None:
        claims = {"sub": str(uuid4()), "exp": int(time.time()) + 60}
        if algorithm == "none":
            head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
            token = f"{head}.{signed(claims).split('.')[1]}."
        else:
            token = signed(claims, secret="x" * 64, algorithm=algorithm)
        assert service.request("GET", token=token).status == 401

    def test_token_by_the_command(self, service: Service) -> None:
        user_id = uuid4()
        token = service.token(user_id, "--ttl", "90s")
        assert service.request("POST", token=token, body=blob()).status == 200
        same = Person(service, user_id, signed({"sub": str(user_id).upper(), "exp": int(time.time()) + 60}))
        assert same.download().status == 200

    def test_refusal_quotes_no_token(self, service: Service) -> None:
        token = signed({"sub": "nobody", "exp": int(time.time()) + 60})
        assert token.encode() not in service.request("GET", token=token).body


class OperationsContract(PersonFixture):
    """Health, metrics, docs, and what is no request."""

    def test_config(self, service: Service) -> None:
        answer = service.request("GET", "/v1/config", token=None)
        assert answer.status == 200
        assert (answer.json["min_bytes"], answer.json["max_bytes"]) == (32, 2 * MIB)

    def test_health(self, service: Service) -> None:
        assert service.request("GET", "/health/live", token=None).status == 200
        ready = service.request("GET", "/health/ready", token=None)
        assert (ready.status, ready.json) == (200, {"status": "ok", "metadata": "ok", "blobs": "ok"})

    def test_each_listener_serves_its_own_paths(self, service: Service) -> None:
        assert service.request("GET", "/metrics", token=None).problem == "not-found"
        for path in ("/v1/backup", "/v1/config", "/docs"):
            assert service.request_management(path).problem == "not-found"
        assert service.request_management("/metrics", "POST").headers["allow"] == "GET, OPTIONS"
        assert service.request_management("/metrics/").problem == "bad-request"

    def test_management_tells_the_kind_and_the_state_of_each_store(self, service: Service) -> None:
        ready = service.request_management("/health/ready")
        assert (ready.status, ready.json["status"]) == (200, "ok")
        assert all(ready.json[store]["status"] == "ok" for store in ("metadata", "blobs"))
        assert ready.json["metadata"]["kind"] in {"sqlite", "postgresql"}
        assert service.request_management("/health/live").status == 200

    def test_metrics_count_and_name_no_user(self, service: Service, person: Person) -> None:
        person.upload(blob())
        counted = b'obscura_backup_requests_total{method="POST",route="/v1/backup",status="200"}'
        # The text is at most a second old.
        assert eventually(lambda: counted in service.request_management("/metrics").body)
        assert str(person.user_id).encode() not in service.request_management("/metrics").body

    def test_metrics_have_no_label_that_a_stranger_makes_up(self, service: Service) -> None:
        service.request("GET", "/made/up", token=None)
        service.request("BREW", "/v1/config", token=None)
        answer = service.request_management("/metrics")
        assert b"made/up" not in answer.body
        assert b"BREW" not in answer.body

    @pytest.mark.parametrize("path", ["/v1/config", "/health/live", "/health/ready"])
    def test_head_of_what_probes_look_at(self, service: Service, path: str) -> None:
        answer = service.request("HEAD", path, token=None)
        assert (answer.status, answer.body) == (200, b"")

    @pytest.mark.parametrize(
        ("name", "status"),
        [("%00", 400), ("", 400), ("../app.py", 404), ("a" * 5000, 404), ("swagger-ui.js.map", 404)],
    )
    def test_docs_serve_their_own_files_alone(self, service: Service, name: str, status: int) -> None:
        assert service.request("GET", f"/docs/assets/{name}", token=None).status == status

    def test_unknown_path(self, service: Service) -> None:
        answer = service.request("GET", "/v2/backup", token=None)
        assert (answer.status, answer.problem) == (404, "not-found")

    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    def test_unknown_method(self, service: Service, person: Person, method: str) -> None:
        answer = service.request(method, token=person.token, body=blob())
        assert (answer.status, answer.problem) == (405, "method-not-allowed")
        assert "POST" in answer.headers["allow"]

    @pytest.mark.parametrize(
        ("path", "methods"),
        [
            ("/v1/backup", {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}),
            ("/v1/config", {"GET", "HEAD", "OPTIONS"}),
            ("/health/ready", {"GET", "HEAD", "OPTIONS"}),
            ("/docs", {"GET", "OPTIONS"}),
        ],
    )
    def test_methods_are_told_all_of_them(self, service: Service, path: str, methods: set[str]) -> None:
        told, refused = service.request("OPTIONS", path, token=None), service.request("PATCH", path, token=None)
        assert (told.status, refused.status, refused.problem) == (204, 405, "method-not-allowed")
        assert set(told.headers["allow"].split(", ")) == set(refused.headers["allow"].split(", ")) == methods

    @pytest.mark.parametrize("junk", [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"NONSENSE / HTTP/9.9\r\n\r\n"])
    def test_what_is_no_http_is_sent_away(self, service: Service, junk: bytes) -> None:
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
            connection.sendall(junk + b"\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def _hand_made(claims: dict[str, object]) -> str:
    """A token with a `sub` that the library would refuse to sign."""
    import hmac  # noqa: PLC0415  # for one case
    import json  # noqa: PLC0415

    from support.servers.service import SECRET  # noqa: PLC0415

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    signing_input = f"{part(json.dumps({'alg': 'HS256'}).encode())}.{part(json.dumps(claims).encode())}"
    return f"{signing_input}.{part(hmac.digest(SECRET.encode(), signing_input.encode(), 'sha256'))}"
