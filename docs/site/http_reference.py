"""The HTTP reference as Markdown, from the OpenAPI description."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

METHODS = ("get", "head", "post", "put", "delete")


def reference(description: Mapping[str, Any]) -> str:
    """All operations in their order, then the schemas."""
    return "\n".join([description["info"]["description"], *_operations(description), *_schemas(description)])


def _operations(description: Mapping[str, Any]) -> Iterator[str]:
    for path, operations in description["paths"].items():
        for method in METHODS:
            if method in operations:
                yield from _operation(description, f"{method.upper()} {path}", operations[method])


def _operation(description: Mapping[str, Any], title: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n## {operation['summary']}: `{title}`\n"
    if operation.get("security"):
        yield "Needs a bearer token.\n"
    yield operation.get("description", "")
    if parameters := [_resolved(description, each) for each in operation.get("parameters", ())]:
        yield "\n| parameter | in | meaning |\n| --- | --- | --- |"
        yield from (
            f"| `{each['name']}` | {each['in']} | {_cell(each.get('description', ''))} |" for each in parameters
        )
    for kind in operation.get("requestBody", {}).get("content", {}):
        yield f"\nThe request's body is `{kind}`."
    yield "\n| answer | meaning | headers | body |\n| --- | --- | --- | --- |"
    responses = {status: _resolved(description, each) for status, each in operation["responses"].items()}
    for status, response in responses.items():
        headers = ", ".join(f"`{name}`" for name in response.get("headers", ()))
        bodies = ", ".join(_body(kind, content) for kind, content in response.get("content", {}).items())
        yield f"| {status} | {_cell(response['description'])} | {headers} | {bodies} |"
    for status, response in responses.items():
        yield from _examples(status, response)


def _examples(status: str, response: Mapping[str, Any]) -> Iterator[str]:
    for content in response.get("content", {}).values():
        named = {name: each.get("value") for name, each in content.get("examples", {}).items()}
        found = {"": content["example"]} if "example" in content else named
        for name, value in found.items():
            title = f"{status}, `{name}`" if name else status
            text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
            yield f"\nExample of {title}:\n\n```json\n{text}\n```"


def _schemas(description: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## Schemas\n"
    for name, schema in description["components"]["schemas"].items():
        yield f"\n### {name}\n\n{schema.get('description', '')}"
        if properties := schema.get("properties"):
            yield "\n| member | type | meaning |\n| --- | --- | --- |"
            for member, value in properties.items():
                found = _resolved(description, value)
                always = "" if member in schema.get("required", ()) else "; may be missing"
                yield f"| `{member}` | {_kind(value)}{always} | {_cell(found.get('description', ''))} |"
        else:
            yield f"\nType: {_kind(schema)}."


def _body(kind: str, content: Mapping[str, Any]) -> str:
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return f"`{kind}`, [{name}](#{name.lower()})" if name else f"`{kind}`"


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    kinds = schema.get("type", "any")
    named = " or ".join(kinds) if isinstance(kinds, list) else kinds
    if choices := schema.get("enum"):
        named += ": " + ", ".join(f"`{each}`" for each in choices)
    if "pattern" in schema:
        named += f" like `{schema['pattern']}`".replace("|", r"\|")
    return str(named)


def _resolved(description: Mapping[str, Any], value: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in value:
        return value
    found: Any = description
    for part in value["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return cast("Mapping[str, Any]", found)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")
