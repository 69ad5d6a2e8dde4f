"""Keys of token issuers, made once per process, and key sets of them."""

from __future__ import annotations

import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from contracts.token_verifier import Issuer

SECRET = "thirty-two bytes of secret, and a few more"
KEYS: dict[str, Any] = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def new_key() -> Any:
    """Another key for ES256."""
    return ec.generate_private_key(ec.SECP256R1())


def jwk(algorithm: str, key: Any = None, **members: Any) -> dict[str, Any]:
    """The public part of a key, by default of that in `KEYS`."""
    public = (key or KEYS[algorithm]).public_key()
    return {**json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(public)), **members}


def key_set(*entries: Any) -> bytes:
    """A JSON Web Key Set with these entries."""
    return json.dumps({"keys": entries}).encode()


def issuer(algorithm: str, key: Any = None, *, kid: str | None = None, named: str | None = None) -> Issuer:
    """Signs by a key, by default that in `KEYS`; `named`: the algorithm in its tokens."""
    library, key = jwt.get_algorithm_by_name(algorithm), key or KEYS[algorithm]
    return Issuer(named or algorithm, kid, lambda data: library.sign(data, key))
