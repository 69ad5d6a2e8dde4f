"""Write `client/API.txt`, the public names of the client with their signatures, or check that it is up to date.

A difference is a change of the API. An intended one belongs into the changelog; `make api` then writes the listing.
"""

from __future__ import annotations

import argparse
import enum
import inspect
import sys
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cached_property
from importlib import import_module
from pkgutil import walk_packages
from typing import TYPE_CHECKING

from tools.run_dependencies import ROOT

import obscura_backup_client
from obscura_backup_client.errors import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterator

LISTING = ROOT / "client" / "API.txt"
# Beside the names of the package: what its manual names, by module. `*`: all that the module defines.
DOCUMENTED = {
    "operations.results": "*",
    "operations.keys": ("NewSecret", "Secret"),
    "device.calibrated_parameters": ("read", "save"),
    "sealing.attack_cost": ("attack_cost",),
    "sealing.calibration": ("calibrate",),
    "sealing.passwords": ("require_unguessable", "strength"),
    "transport.blocking_transport": ("HttpTransport",),
}


def listing() -> str:
    """The whole listing, sorted by name, so that a change shows as a few lines."""
    package = obscura_backup_client.__name__
    names = {f"{package}.{name}": getattr(obscura_backup_client, name) for name in obscura_backup_client.__all__}
    names.pop(f"{package}.__version__")
    for path, wanted in DOCUMENTED.items():
        module = import_module(f"{package}.{path}")
        own = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
        chosen = [name for name in own if not name.startswith("_")] if wanted == "*" else wanted
        names |= {f"{module.__name__}.{name}": getattr(module, name) for name in chosen}
    described = [_described(name, value) for name, value in sorted(names.items())]
    return "\n".join([*described, _errors(package)])


def _described(name: str, value: object) -> str:
    if inspect.isclass(value):
        return f"class {name}({', '.join(base.__name__ for base in value.__bases__)})\n" + "".join(
            f"    {line}\n" for line in _members(value)
        )
    if callable(value) and hasattr(value, "__code__"):
        return f"def {name}{_signature(value)}\n"
    return f"{name} = {_value(value)}\n"


def _members(cls: type) -> Iterator[str]:
    if issubclass(cls, enum.Enum):
        yield from (f"{member.name} = {member.value!r}" for member in cls)
    elif is_dataclass(cls):
        yield from (_field(each) for each in fields(cls) if not each.name.startswith("_"))
    elif issubclass(cls, Exception):
        yield f"code = {getattr(cls, 'code', None)!r}"
        yield f"__init__{_signature(cls.__init__)}"
    own = {each.name for each in fields(cls)} if is_dataclass(cls) else set()
    for name in sorted(dir(cls)):
        if not name.startswith("_") and name not in own:
            yield from _member(name, inspect.getattr_static(cls, name))


def _field(field: Field[object]) -> str:
    if field.default is not MISSING:
        return f"{field.name}: {field.type} = {_value(field.default)}"
    return f"{field.name}: {field.type}" + ("" if field.default_factory is MISSING else " = ...")


def _member(name: str, member: object) -> Iterator[str]:
    """A method or property that this package defines, also in a base class."""
    kind, function = "", member
    if isinstance(member, classmethod | staticmethod):
        kind, function = f"@{type(member).__name__} ", member.__func__
    elif isinstance(member, property | cached_property):
        kind, function = "@property ", member.fget if isinstance(member, property) else member.func
    if inspect.isfunction(function) and function.__module__.startswith(obscura_backup_client.__name__):
        asynchronous = "async " if inspect.iscoroutinefunction(function) else ""
        yield f"{kind}{asynchronous}def {name}{_signature(function)}"


def _signature(function: object) -> str:
    """The signature with its annotations as they are written, and defaults that do not depend on the run."""
    assert callable(function)  # noqa: S101 - for the type checker
    found = inspect.signature(function)
    parameters = [
        each.replace(
            annotation=each.annotation if each.annotation is each.empty else _Shown(each.annotation),
            default=each.default if each.default is each.empty else _Shown(_value(each.default)),
        )
        for each in found.parameters.values()
    ]
    result = found.return_annotation
    return str(
        found.replace(parameters=parameters, return_annotation=result if result is found.empty else _Shown(result))
    )


class _Shown:
    """Text that is printed as it is."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _value(value: object) -> str:
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if inspect.isroutine(value) or inspect.isclass(value):
        is_named = str(value.__module__).startswith(obscura_backup_client.__name__) and "<" not in value.__qualname__
        return value.__qualname__ if is_named else "..."
    if " at 0x" in repr(value):
        return f"{type(value).__name__}()"
    return repr(value)


def _errors(package: str) -> str:
    """All errors with their stable codes."""
    for module in walk_packages(obscura_backup_client.__path__, f"{package}."):
        if not module.name.startswith((f"{package}.cli", f"{package}.content.generated")):
            import_module(module.name)
    found: set[type[ClientError]] = set()
    waiting: list[type[ClientError]] = [ClientError]
    while waiting:
        for each in waiting.pop().__subclasses__():
            if each not in found and each.__module__.startswith(package):
                found.add(each)
                waiting.append(each)
    return "errors and their codes\n" + "".join(
        f"    {each.__name__}({each.__base__.__name__ if each.__base__ else ''}) {each.code}\n"
        for each in sorted(found, key=lambda error: (error.__name__, error.__module__))
    )


def main() -> int:
    """Write or check; the exit code is 1 if the checked listing differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the committed listing differs")
    if not parser.parse_args().check:
        LISTING.write_text(listing(), encoding="utf-8")
    elif LISTING.read_text(encoding="utf-8") != listing():
        print("client/API.txt: the API of the client changed. If that is intended: `make api`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
