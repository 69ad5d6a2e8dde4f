"""The Kubernetes base: valid by the schemas of Kubernetes, and the parts fit each other and the service."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from obscura_backup.entrypoints.settings import load_settings
from support.servers.programs.native import free_port
from support.servers.proxies.reverse_proxies import DEPLOY
from support.servers.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BASE = DEPLOY / "kubernetes"
DEPLOYMENT_PAGE = DEPLOY.parent / "docs" / "deployment.md"
VERSIONS = ("1.31", kubernetes_validate.latest_version())
PUT_SECONDS = 15
"""What an upload may need that began to store its blob at the end of the drain time."""
KINDS = {
    "ConfigMap",
    "Deployment",
    "Job",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Service",
    "ServiceAccount",
}


@pytest.fixture
def documents(kustomize: Callable[[Path], list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """By kind: there is one of each."""
    built = kustomize(BASE)
    assert len(built) == len(KINDS)
    return {document["kind"]: document for document in built}


def pod_of(document: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = document["spec"]["template"]["spec"]
    return spec


def container_of(document: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod_of(document)["containers"]
    return dict(container)


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container.get("env", ())}


def selectors(document: Any) -> Iterator[dict[str, str]]:
    """Every set of labels that selects pods, at any depth."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key in {"podSelector", "labelSelector"} or (key == "selector" and "matchLabels" in value):
                yield value["matchLabels"]
            elif key == "selector":
                yield value
            else:
                yield from selectors(value)
    elif isinstance(document, list):
        for value in document:
            yield from selectors(value)


@pytest.mark.parametrize("version", VERSIONS)
def test_documents_are_valid(documents: dict[str, dict[str, Any]], version: str) -> None:
    assert set(documents) == KINDS
    for document in documents.values():
        kubernetes_validate.validate(document, version, strict=True)


def test_misspelt_field_would_be_found(documents: dict[str, dict[str, Any]]) -> None:
    container_of(documents["Deployment"])["securityContext"]["readOnlyRootFileSystem"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(documents["Deployment"], VERSIONS[-1], strict=True)


def test_everything_that_selects_pods_selects_the_replicas_and_not_the_migration(
    documents: dict[str, dict[str, Any]],
) -> None:
    labels, migration = (documents[kind]["spec"]["template"]["metadata"]["labels"] for kind in ("Deployment", "Job"))
    found = [labels_of for document in documents.values() for labels_of in selectors(document)]
    assert len(found) == 6, "Deployment, two spreads, Service, budget, policy"
    for selector in found:
        assert selector.items() <= labels.items()
        assert not selector.items() <= migration.items()


def test_management_port_is_not_published(documents: dict[str, dict[str, Any]]) -> None:
    container = container_of(documents["Deployment"])
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": 8400, "admin": 8401}
    assert str(ports["admin"]) == variables(container)["OBSCURA_BACKUP_ADMIN_PORT"]
    assert [port["targetPort"] for port in documents["Service"]["spec"]["ports"]] == ["http"]
    rules = documents["NetworkPolicy"]["spec"]["ingress"]
    assert {rule["ports"][0]["port"]: "from" in rule for rule in rules} == {"http": False, "admin": True}


def test_overlay_of_the_documentation_sets_image_and_settings(
    kustomize: Callable[[Path], list[dict[str, Any]]], tmp_path: Path
) -> None:
    (text,) = re.findall(r"```yaml\n(# kustomization.yaml\n.*?)```", DEPLOYMENT_PAGE.read_text(), re.DOTALL)
    (tmp_path / "overlay").mkdir()
    (tmp_path / "deploy").symlink_to(DEPLOY)
    (tmp_path / "overlay" / "kustomization.yaml").write_text(text)
    built = {document["kind"]: document for document in kustomize(tmp_path / "overlay")}
    for kind in ("Deployment", "Job"):
        assert container_of(built[kind])["image"] == "registry.example/obscura-backup:0.2.0"
    settings = built["ConfigMap"]["data"]
    assert settings["OBSCURA_BACKUP_AUTH_ISSUER"] == "https://login.example"
    assert settings["OBSCURA_BACKUP_AUTH_AUDIENCE"] == "obscura-backup"
    assert (
        container_of(built["Deployment"])["envFrom"][0]["configMapRef"]["name"]
        == built["ConfigMap"]["metadata"]["name"]
    )


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_containers_have_no_rights(documents: dict[str, dict[str, Any]], kind: str) -> None:
    pod, container = pod_of(documents[kind]), container_of(documents[kind])
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_requests_in_flight_may_finish(documents: dict[str, dict[str, Any]]) -> None:
    pod, given = pod_of(documents["Deployment"]), variables(container_of(documents["Deployment"]))
    seconds = sum(int(given[f"OBSCURA_BACKUP_{name}_SECONDS"]) for name in ("NOTICE", "DRAIN"))
    assert pod["terminationGracePeriodSeconds"] >= seconds + PUT_SECONDS


def test_settings_are_those_of_the_service_and_no_secret_is_among_them(
    documents: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    given = {**documents["ConfigMap"]["data"], **variables(container_of(documents["Deployment"]))}
    settings = load_settings({"data_dir": tmp_path}, given)
    assert (settings.auth_issuer, settings.admin_port) == ("https://id.example", 8401)
    assert not [name for name in given if "SECRET" in name or "METADATA_URL" in name]


def test_replica_needs_no_data_directory(tmp_path: Path) -> None:
    """Its file system is read-only. Keys, metadata and blobs are elsewhere; only bodies go to `/tmp`."""
    keys = tmp_path / "keys.json"
    key = OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate().public_key(), as_dict=True)
    keys.write_text(json.dumps({"keys": [key]}))
    environment = {
        "OBSCURA_BACKUP_METADATA_URL": f"postgresql://obscura@127.0.0.1:{free_port()}/obscura",
        "OBSCURA_BACKUP_BLOBS_URL": f"s3://backups?endpoint=http://127.0.0.1:{free_port()}",
        "OBSCURA_BACKUP_AUTH_SECRET": "",
        "OBSCURA_BACKUP_AUTH_JWKS": str(keys),
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    service = Service(tmp_path / "data", environment)
    service.start()
    service.kill()
    assert not service.data_dir.exists()
