"""Key sets and tokens as real issuers make them: members without a value, new names, and keys that must be guessed."""

from __future__ import annotations

import hmac
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contracts.token_verifier import AUDIENCE, ISSUER, USER, Issuer
from obscura_backup.adapters.tokens import jwks
from obscura_backup.adapters.tokens.jwks import JwksKeySource, parse_jwks
from obscura_backup.adapters.tokens.verifier import CANDIDATES_MAX, JwtVerifier
from obscura_backup.domain.errors import Unauthenticated
from support.clocks import MovableClock
from support.table import table
from support.token_keys import KEYS, issuer, jwk, key_set, new_key

if TYPE_CHECKING:
    from collections.abc import Callable


def forger(secret: bytes, kid: str | None = None) -> Issuer:
    return Issuer("HS256", kid, lambda data: hmac.digest(secret, data, "sha256"))


class Verification:
    """A verifier over one key set, and tokens for it."""

    def __init__(self, *entries: Any, read: Callable[[], bytes] | None = None, **options: Any) -> None:
        self.clock = MovableClock()
        source = JwksKeySource(read or (lambda: key_set(*entries)), "a test", **options)
        self.verifier = JwtVerifier(source, self.clock, audience=AUDIENCE, issuer=ISSUER)

    async def accepts(self, by: Issuer, **header: Any) -> None:
        claims = {"sub": str(USER), "exp": self.clock.after(600), "aud": AUDIENCE, "iss": ISSUER}
        token = by.token(claims, **header)
        assert await self.verifier.verify(token) == USER

    async def refuses(self, by: Issuer, reason: str, **header: Any) -> None:
        for _ in range(2):
            with pytest.raises(Unauthenticated, match=reason):
                await self.accepts(by, **header)


# --- members of a key that say nothing ---

ABSENT: list[Any] = [None, "", []]


async def test_member_without_a_value_counts_as_absent() -> None:
    for value in ABSENT:
        for member in ["use", "key_ops", "alg", "kid", "x5c", "x5t", "x5u", "crv", "d", "oth", "p", "ext"]:
            for algorithm in ["RS256", "ES256", "EdDSA"]:
                if member == "crv" and algorithm != "RS256":
                    continue  # there it is needed
                await Verification(jwk(algorithm, **{member: value})).accepts(issuer(algorithm))


async def test_all_members_without_a_value_at_once() -> None:
    nothing: dict[str, Any] = {"use": "", "key_ops": [], "alg": None, "kid": None, "d": None, "x5c": []}
    await Verification(jwk("RS256", **nothing)).accepts(issuer("RS256", kid="any"))


def test_member_that_says_something_else_rules_the_key_out() -> None:
    cases: list[dict[str, Any]] = [
        {"use": "enc"},
        {"use": "SIG"},
        {"use": ["sig"]},
        {"use": {}},
        {"use": 0},
        {"key_ops": ["sign"]},
        {"key_ops": [""]},
        {"key_ops": [None]},
        {"key_ops": {"verify": 1}},
        {"key_ops": "verify"},
        {"key_ops": 0},
        {"alg": "RS512"},
        {"alg": "eddsa"},
        {"alg": ["RS256"]},
        {"alg": 0},
        {"kty": None},
        {"n": ""},
        {"e": None},
    ]
    for members in cases:
        found = parse_jwks(key_set(jwk("RS256", **members), jwk("ES256")))
        assert [key.algorithm for key in found] == ["ES256"]


@table("operations", [["verify"], ["verify", "sign"], ["encrypt", "verify"]])
def test_operations_that_include_verifying(operations: list[str]) -> None:
    assert parse_jwks(key_set(jwk("RS256", key_ops=operations)))


# --- the names of EdDSA (RFC 9864) ---


@table("key_says", [None, "", "EdDSA", "Ed25519"])
@table("token_says", ["EdDSA", "Ed25519"])
@table("kid", [None, "a"])
async def test_ed25519_by_either_name(key_says: str | None, token_says: str, kid: str | None) -> None:
    keys = Verification(jwk("EdDSA", alg=key_says, kid="a"), jwk("ES256", kid="b"))
    await keys.accepts(issuer("EdDSA", kid=kid, named=token_says))


@table("named", ["Ed448", "ed25519", "ED25519", "Ed25519ph", "Ed25519 "])
async def test_other_names_are_not_ed25519(named: str) -> None:
    await Verification(jwk("EdDSA", kid="a")).refuses(issuer("EdDSA", kid="a", named=named), "algorithm")
    with pytest.raises(ValueError, match="holds no key"):
        parse_jwks(key_set(jwk("EdDSA", alg=named)))


@table("algorithm", ["RS256", "ES256"])
async def test_ed25519_is_no_name_for_the_algorithm_of_another_key(algorithm: str) -> None:
    keys = Verification(jwk(algorithm, kid="a"))
    await keys.refuses(issuer(algorithm, kid="a", named="Ed25519"), "algorithm")
    await keys.refuses(issuer("EdDSA", kid="a", named="Ed25519"), "algorithm")
    with pytest.raises(ValueError, match="holds no key"):
        parse_jwks(key_set(jwk(algorithm, alg="Ed25519")))


# --- which of several keys ---


@table("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_one_id_for_keys_of_different_types(algorithm: str) -> None:
    """RFC 7517, 4.5 allows it."""
    await Verification(*(jwk(each, kid="same") for each in KEYS)).accepts(issuer(algorithm, kid="same"))


async def test_one_id_for_two_keys_of_one_type() -> None:
    other = new_key()
    keys = Verification(jwk("ES256", other, kid="same"), jwk("ES256", kid="same"))
    await keys.accepts(issuer("ES256", kid="same"))
    await keys.accepts(issuer("ES256", other, kid="same"))
    await keys.refuses(issuer("ES256", new_key(), kid="same"), "signature")


@table("ids", [("a", "a"), ("a", "b"), ("a", None), (None, "a"), (None, None)])
@table("kid", [None, "a"])
async def test_the_same_key_twice(ids: tuple[str | None, ...], kid: str | None) -> None:
    await Verification(*(jwk("EdDSA", kid=each) for each in ids)).accepts(issuer("EdDSA", kid=kid))


@table("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_token_without_an_id_against_keys_of_several_types(algorithm: str) -> None:
    await Verification(*(jwk(each, kid=f"key {each}") for each in KEYS)).accepts(issuer(algorithm))


async def test_token_without_an_id_against_several_keys_of_its_type() -> None:
    others = [new_key() for _ in range(CANDIDATES_MAX - 1)]
    keys = Verification(*(jwk("ES256", key, kid=str(key)) for key in (*others, KEYS["ES256"])), jwk("RS256"))
    await keys.accepts(issuer("ES256"))


async def test_token_without_an_id_against_too_many_keys_is_tried_with_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: Counter[int] = Counter()
    verify = jwt.algorithms.ECAlgorithm.verify

    def counted(self: Any, message: Any, key: Any, signature: Any) -> bool:
        tried[id(key)] += 1
        return verify(self, message, key, signature)

    monkeypatch.setattr(jwt.algorithms.ECAlgorithm, "verify", counted)
    others = [new_key() for _ in range(CANDIDATES_MAX)]
    keys = Verification(*(jwk("ES256", key) for key in others), jwk("ES256", kid="named"))
    await keys.refuses(issuer("ES256"), f"does not name its key, and none of the first {CANDIDATES_MAX} keys")
    assert (len(tried), set(tried.values())) == (CANDIDATES_MAX, {2}), "once for each of the two refusals"
    await keys.accepts(issuer("ES256", kid="named"))


async def test_copies_of_one_key_use_up_no_tries() -> None:
    other = new_key()
    copies = (jwk("ES256", other, kid=str(number)) for number in range(50))
    await Verification(*copies, jwk("ES256")).accepts(issuer("ES256"))


async def test_as_many_keys_as_are_tried_leave_none_untried() -> None:
    others = [new_key() for _ in range(CANDIDATES_MAX)]
    keys = Verification(*(jwk("ES256", key) for key in others))
    await keys.refuses(issuer("ES256"), "signature does not match")


async def test_named_key_is_the_only_candidate() -> None:
    keys = Verification(jwk("ES256", kid="a"), jwk("ES256", new_key(), kid="b"))
    await keys.refuses(issuer("ES256", kid="b"), "signature")
    await keys.refuses(issuer("ES256", kid="c"), "does not name")


async def test_keys_without_an_id_are_candidates_for_any_id() -> None:
    keys = Verification(jwk("ES256"), jwk("RS256"), jwk("EdDSA", kid="ed"))
    await keys.accepts(issuer("ES256", kid="whatever"))
    await keys.accepts(issuer("RS256", kid="whatever"))
    await keys.refuses(issuer("EdDSA", kid="whatever"), "algorithm")


async def test_claims_are_judged_by_the_key_that_signed() -> None:
    """A wrong claim ends the search; it is not an attempt with the next key."""
    keys = Verification(jwk("ES256", new_key()), jwk("ES256"))
    token = issuer("ES256").token({"sub": str(USER), "exp": keys.clock.after(600), "aud": "other", "iss": ISSUER})
    with pytest.raises(Unauthenticated, match="audience"):
        await keys.verifier.verify(token)


# --- the algorithm is the key's ---


@table("kid", [None, "same", "other"])
@table("form", ["pem", "der", "jwk", "member"])
async def test_public_key_is_no_shared_secret_whatever_the_set_looks_like(kid: str | None, form: str) -> None:
    entries = [jwk(each, kid="same") for each in KEYS] + [jwk(each) for each in KEYS] + [jwk("RS256", kid="same")]
    keys = Verification(*entries, {"kty": "oct", "k": "c2VjcmV0", "kid": "same"})
    for algorithm, key in KEYS.items():
        public, described = key.public_key(), jwk(algorithm, kid="same")
        secret = {
            "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            "jwk": json.dumps(described).encode(),
            "member": str(described.get("x", described.get("n"))).encode(),
        }[form]
        await keys.refuses(forger(secret, kid), "algorithm")
        for other in (*KEYS, "Ed25519"):
            await keys.refuses(forger(secret, kid), "signature|algorithm", alg=other)


async def test_shared_secret_in_a_set_is_not_used() -> None:
    keys = Verification(jwk("RS256", kid="a"), {"kty": "oct", "k": "c2VjcmV0", "kid": "shared", "alg": "HS256"})
    for kid in (None, "shared"):
        await keys.refuses(forger(b"secret", kid), "algorithm|does not name")


@table(("signed_by", "named"), [("ES256", "RS256"), ("EdDSA", "ES256"), ("RS256", "Ed25519")])
async def test_signature_by_one_key_under_the_algorithm_of_another(signed_by: str, named: str) -> None:
    keys = Verification(*(jwk(each, kid="same") for each in KEYS))
    for kid in (None, "same"):
        await keys.refuses(issuer(signed_by, kid=kid, named=named), "signature")


# --- keys that change without an id ---


async def test_new_key_without_an_id_is_found_by_the_first_token_that_it_signed() -> None:
    new, clock = new_key(), [0.0]
    sets = [key_set(jwk("ES256")), key_set(jwk("ES256", new))]
    keys = Verification(read=lambda: sets.pop(0), clock=lambda: clock[0])
    await keys.accepts(issuer("ES256"))
    await keys.refuses(issuer("ES256", new), "signature")
    clock[0] += jwks.MIN_REFETCH_INTERVAL_SECONDS
    await keys.accepts(issuer("ES256", new))
    await keys.refuses(issuer("ES256"), "signature")


@table("kid", [None, "made up"])
async def test_forgeries_do_not_make_us_hammer_the_source(kid: str | None) -> None:
    reads: list[None] = []

    def read() -> bytes:
        reads.append(None)
        return key_set(jwk("ES256"))

    keys = Verification(read=read)
    stranger = new_key()
    for _ in range(20):
        await keys.refuses(issuer("ES256", stranger, kid=kid), "signature")
    assert len(reads) == 1


async def test_wrong_signature_of_a_named_key_is_no_reason_to_look_again() -> None:
    clock, reads = [0.0], list[None]()

    def read() -> bytes:
        reads.append(None)
        return key_set(jwk("ES256", kid="a"))

    keys = Verification(read=read, clock=lambda: clock[0])
    for _ in range(5):
        await keys.refuses(issuer("ES256", new_key(), kid="a"), "signature")
        clock[0] += jwks.MIN_REFETCH_INTERVAL_SECONDS
    assert len(reads) == 1
