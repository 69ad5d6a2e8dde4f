"""Write a CycloneDX SBOM of each package into a folder: what it needs at run time, from the lock files.

The folder is the argument. `SOURCE_DATE_EPOCH`, if set, is the time in the files, so that they are reproducible.
"""

from __future__ import annotations

import os
import re
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from tools.generate_notices import licence
from tools.run_dependencies import dependency_graph, run_entries

import obscura_backup
from obscura_backup_client.version import __version__ as client_version

VERSIONS = {"obscura-backup": obscura_backup.__version__, "obscura-backup-client": client_version}


def sbom(package: str, at: datetime) -> str:
    """The SBOM of an installed package as JSON, with versions, licences, accepted files and the dependency graph.

    Raises:
        LookupError: a licence is unknown, or a dependency is not in the lock file.
        ValueError: the result does not follow the schema of CycloneDX 1.6.
    """
    kind = ComponentType.APPLICATION if package == "obscura-backup" else ComponentType.LIBRARY
    root = _component(package, VERSIONS[package], kind)
    locked = {name: _locked(name, entry) for name, entry in run_entries(package).items()}
    bom = Bom(components=locked.values(), serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"{root.purl} {at}"))
    bom.metadata.timestamp = at
    bom.metadata.component = root
    for name, needed in dependency_graph(package).items():
        bom.register_dependency(locked.get(name, root), [locked[each] for each in needed])
    text = JsonV1Dot6(bom).output_as_string(indent=2) + "\n"
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ValueError(f"not CycloneDX 1.6: {error}")
    return text


def _locked(name: str, entry: str) -> Component:
    found = re.match(r"[^=]+==([^\s;]+)", entry)
    assert found is not None, entry  # noqa: S101 - an entry begins so
    component = _component(name, found[1], ComponentType.LIBRARY)
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=each) for each in re.findall(r"sha256:([0-9a-f]{64})", entry)]
    component.external_references.add(
        ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(str(component.purl)), hashes=hashes)
    )
    return component


def _component(name: str, version: str, kind: ComponentType) -> Component:
    purl = PackageURL("pypi", name=name, version=version)
    expression = LicenseExpression(licence(name))
    return Component(name=name, version=version, type=kind, purl=purl, bom_ref=str(purl), licenses=[expression])


def main() -> int:
    """Write the files."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and one argument
        print(f"usage: {sys.argv[0]} FOLDER", file=sys.stderr)
        return 2
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    at = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    for package, version in VERSIONS.items():
        file = Path(sys.argv[1]) / f"{package}-{version}.cdx.json"
        file.write_text(sbom(package, at), encoding="utf-8")
        print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
