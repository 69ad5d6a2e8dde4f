"""Write `THIRD-PARTY-NOTICES.md` of both packages from the metadata of their installed dependencies, or check them."""

from __future__ import annotations

import argparse
import re
import sys
from importlib import metadata

from tools.run_dependencies import LOCKS, ROOT, run_entries

PAGES = {
    "obscura-backup": ROOT / "THIRD-PARTY-NOTICES.md",
    "obscura-backup-client": ROOT / "client" / "THIRD-PARTY-NOTICES.md",
}
# For packages whose metadata name no SPDX expression, as their licence files say.
_STATED = {
    "dependency-injector": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "protobuf": "BSD-3-Clause",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "sniffio": "Apache-2.0 OR MIT",
    "uvloop": "Apache-2.0 OR MIT",
}
_CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: MIT License": "MIT",
}
_KNOWN = {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MPL-2.0"}
# Works of others inside the wheels, which no metadata name.
_BUNDLED = {
    "argon2-cffi-bindings": "Argon2 (CC0-1.0 OR Apache-2.0)",
    "cffi": "libffi (MIT)",
    "cryptography": "OpenSSL (Apache-2.0)",
    "httptools": "llhttp and http-parser (MIT)",
    "obstore": "Rust crates, among them object_store (MIT OR Apache-2.0)",
    "psycopg-binary": "libpq (PostgreSQL), OpenSSL (Apache-2.0), MIT Kerberos (MIT), OpenLDAP (OLDAP-2.8), "
    "Cyrus SASL (BSD-3-Clause-Attribution), keyutils and libxcrypt (LGPL-2.1-or-later)",
    "pyyaml": "LibYAML (MIT)",
    "swagger-ui-bundle-v2": "Swagger UI, Copyright SmartBear Software Inc. (Apache-2.0), with React (MIT)",
    "uvloop": "libuv (MIT)",
    "zxcvbn": "word lists of zxcvbn, Copyright Dropbox, Inc. (MIT)",
}
# Copyright lines of licence texts and of their templates.
_NOT_OF_THE_WORK = ("<https://fsf.org/>", "name of copyright owner", "{name of copyright owner}")
_LICENCE_FILE = re.compile(r"\.dist-info/(?:licenses/)?[^/]*(?:LICEN[CS]E|NOTICE|COPYING)[^/]*$", re.IGNORECASE)
_COPYRIGHT = re.compile(r"^[\s#*/]*(Copyright\s+(?:\(c\)|©|\d{4}).*)$", re.IGNORECASE | re.MULTILINE)
_MOST_HOLDERS = 4

HEAD = """# Third-party notices of {package}

`{package}` contains no code of others. It needs the packages below, unmodified. They are installed beside it,
each with its licence text in its own `.dist-info` folder. Versions and hashes are in `requirements/{lock}`, and in the
SBOM that `make sbom` writes.

`make notices` generates the table from the metadata of the packages on Linux.

| package | licence | copyright | contained works of others |
| --- | --- | --- | --- |
"""


def licence(name: str) -> str:
    """The SPDX expression of an installed package.

    Raises:
        LookupError: neither its metadata nor the list above states it.
    """
    if expression := _STATED.get(name) or _field(name, "License-Expression"):
        return expression
    stated = metadata.metadata(name).get_all("Classifier") or []
    classifiers = {_CLASSIFIERS[each] for each in stated if each in _CLASSIFIERS}
    text = _field(name, "License").partition("\n")[0].strip().removesuffix(" License")
    candidates = {text} & _KNOWN or classifiers
    if len(candidates) != 1:
        raise LookupError(f"the licence of {name} is not known: add it to tools/generate_notices.py")
    return candidates.pop()


def holders(name: str) -> list[str]:
    """The first copyright lines in an installed package's licence files; without any, the authors in its metadata."""
    lines: dict[str, None] = {}
    for file in sorted(metadata.files(name) or [], key=str):
        if _LICENCE_FILE.search(str(file)):
            for match in _COPYRIGHT.finditer(file.read_text(encoding="utf-8")):
                line = re.sub(r"\[([^\]]+)\](?:\([^)]*\))?", r"\1", re.sub(r"\s+", " ", match[1]))
                line = re.sub(r" All rights reserved\.?", "", line, flags=re.IGNORECASE).strip(" .,")
                if not line.endswith(_NOT_OF_THE_WORK):
                    lines[line] = None
    author = _field(name, "Author") or _field(name, "Author-email")
    return list(lines)[:_MOST_HOLDERS] or ([f"by {author}"] if author else [])


def _field(name: str, key: str) -> str:
    return str((metadata.metadata(name).get_all(key) or [""])[0])


def rendered(package: str) -> str:
    """The page of a package."""
    rows = [
        f"| {name} | {licence(name)} | {_cell('; '.join(holders(name)))} | {_BUNDLED.get(name, '')} |\n"
        for name in run_entries(package)
    ]
    return HEAD.format(package=package, lock=LOCKS[package]) + "".join(rows)


def _cell(text: str) -> str:
    return re.sub(r"<([^<>@\s]+@[^<>\s]+)>", r"(\1)", text).replace("<", "&lt;").replace("|", r"\|")


def main() -> int:
    """Write or check; the exit code is 1 if a checked page differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a committed page differs")
    check = parser.parse_args().check
    code = 0
    for package, page in PAGES.items():
        wanted = rendered(package)
        if not check:
            page.write_text(wanted, encoding="utf-8")
        elif not page.exists() or page.read_text(encoding="utf-8") != wanted:
            print(f"{page} differs from the installed packages (run `make notices`)", file=sys.stderr)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
