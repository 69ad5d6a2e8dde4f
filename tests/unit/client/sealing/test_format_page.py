"""The specification page agrees with the schema, the vectors and the errors of this client."""

from __future__ import annotations

import re
from typing import Any

from obscura_backup_client.content.generated.obscura.backup.v1 import backup_pb2
from obscura_backup_client.errors import ClientError
from obscura_backup_client.operations.rollback import Reason
from support.client.vectors import FOLDER, ROOT, vectors
from support.table import table

PAGE = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
FILES = sorted(path.stem for path in FOLDER.glob("*.json"))


def errors_in(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(errors_in, value))
    if isinstance(value, dict):
        named = {value[each] for each in ("error", "sealing_error") if isinstance(value.get(each), str)}
        return named.union(*map(errors_in, value.values()))
    return set()


def codes(kind: type[ClientError]) -> set[str]:
    return {kind.code}.union(*map(codes, kind.__subclasses__()))


def test_the_table_of_fields_is_that_of_the_schema() -> None:
    message, rows = "", set()
    for line in re.findall(r"^\|(.*)\|$", PAGE, flags=re.MULTILINE):
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5 and cells[1].isdecimal() and cells[2].startswith("`"):
            message = cells[0] or message
            rows.add((message, int(cells[1]), cells[2].strip("`")))
    schema = backup_pb2.DESCRIPTOR.message_types_by_name
    assert rows == {(name, field.number, field.name) for name, kind in schema.items() for field in kind.fields}


@table("file", FILES)
def test_the_page_describes_each_file_of_vectors(file: str) -> None:
    lists = {name for name, rows in vectors(file).items() if isinstance(rows, list)}
    assert f"`{file}.json`" in PAGE
    assert {name for name in lists if f"`{name}`" not in PAGE} == set()


@table("file", FILES)
def test_every_error_in_the_vectors_exists_and_is_documented(file: str) -> None:
    named = errors_in(vectors(file))
    assert named <= codes(ClientError)
    assert {error for error in named if f"`{error}`" not in PAGE} == set()


def test_every_reason_of_an_alarm_is_documented_and_in_the_vectors() -> None:
    reasons = {str(reason) for reason in Reason}
    assert {reason for row in vectors("rollback")["rollback"] for reason in row["reasons"]} == reasons
    assert {reason for reason in reasons if f"| `{reason}` |" not in PAGE} == set()
