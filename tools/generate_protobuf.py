"""Generate the client's Protobuf code from `proto/`, or check that what is committed is in step with it."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "proto"
TARGET = ROOT / "client" / "src" / "obscura_backup_client" / "content" / "generated"


def generate(target: Path) -> dict[str, bytes]:
    """Run protoc over every `.proto` file and return what it wrote, by path below `target`."""
    protos = sorted(str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.proto"))
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{SOURCE}"]
    subprocess.run([*protoc, f"--python_out={target}", f"--pyi_out={target}", *protos], check=True)
    return {str(path.relative_to(target)): path.read_bytes() for path in sorted(target.rglob("*_pb2.py*"))}


def main() -> int:
    """Exit code 0 when the committed code is what `proto/` says (or has just been made so), 1 when it is not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the committed code differs")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as scratch:
        wanted = generate(Path(scratch))
    present = {str(path.relative_to(TARGET)): path.read_bytes() for path in sorted(TARGET.rglob("*_pb2.py*"))}
    if check:
        stale = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
        for name in stale:
            print(f"not in step with proto/: {name} (run `make proto`)", file=sys.stderr)
        return 1 if stale else 0
    for name in present.keys() - wanted.keys():
        (TARGET / name).unlink()
    for name, content in wanted.items():
        (TARGET / name).parent.mkdir(parents=True, exist_ok=True)
        (TARGET / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
