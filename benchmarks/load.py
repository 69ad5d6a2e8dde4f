"""Load on a running service, from people who each have a slot of their own: uploads, then downloads.

    obscura-backup serve --data-dir /tmp/bench --port 8401 &
    python benchmarks/load.py --url http://127.0.0.1:8401 --data-dir /tmp/bench

Prints requests a second, the 50th and 99th percentile of the time that one takes, and with `--pid` the processor time
that the service spent on one, which is the figure that a busy machine disturbs least. The client shares the machine
with the service, so the figures are good for comparing two versions in one sitting, not as a promise.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import uvloop

COMMAND = Path(sys.executable).parent / "obscura-backup"


class Connection:
    """One kept connection of one person."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> None:
        self._reader = reader
        self._writer = writer
        self._head = f"Host: bench\r\nAuthorization: Bearer {token}\r\n"

    async def request(self, method: str, headers: str = "", body: bytes = b"") -> int:
        """Send and read one; the status."""
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self._writer.write(f"{method} /v1/backup HTTP/1.1\r\n{self._head}{headers}{length}\r\n".encode() + body)
        head = await self._reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        start = lower.index(b"content-length:") + len(b"content-length:")
        await self._reader.readexactly(int(lower[start : lower.index(b"\r\n", start)]))
        return int(head[9:12])


def processor_seconds(pid: int | None) -> float:
    """User and system time of a process so far; 0 where none is named."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(
    name: str, people: list[Connection], seconds: float, upload_bytes: int, pid: int | None = None
) -> None:
    """Let everybody repeat one kind of call for a while."""
    times: list[float] = []
    ends_at = time.perf_counter() + seconds

    async def one(person: Connection) -> None:
        version = 1
        while (began := time.perf_counter()) < ends_at:
            if name == "download":
                status = await person.request("GET")
            else:
                status = await person.request("POST", f'If-Match: "{version}"\r\n', os.urandom(upload_bytes))
                version += 1
            if status != 200:  # noqa: PLR2004  # OK
                raise RuntimeError(f"answered with {status}")
            times.append(time.perf_counter() - began)

    began, spent = time.perf_counter(), processor_seconds(pid)
    await asyncio.gather(*(one(person) for person in people))
    took, spent = time.perf_counter() - began, processor_seconds(pid) - spent
    times.sort()
    p50, p99 = (1000 * times[int(len(times) * share)] for share in (0.5, 0.99))
    cpu = f"   cpu {1000 * spent / len(times):6.3f} ms" if pid else ""
    print(f"{name:9} {len(times) / took:8.0f}/s   p50 {p50:6.1f} ms   p99 {p99:6.1f} ms{cpu}")


async def main() -> None:
    """Read the arguments, make people and tokens, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8400")
    parser.add_argument("--data-dir", required=True, help="of the service, for its signing secret")
    parser.add_argument("--pid", type=int, help="of the service, one worker")
    parser.add_argument("--people", type=int, default=16)
    parser.add_argument("--size", type=int, default=64 * 1024, help="of a blob, bytes")
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    host, port = urlsplit(arguments.url).hostname, urlsplit(arguments.url).port
    people = []
    for _ in range(arguments.people):
        command = [COMMAND, "token", str(uuid4()), "--data-dir", arguments.data_dir]
        token = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: ASYNC221  # before the clock runs
        person = Connection(*await asyncio.open_connection(host, port, limit=2**22), token)
        await person.request("POST", body=os.urandom(arguments.size))
        people.append(person)
    for name in ("upload", "download"):
        await measure(name, people, arguments.seconds, arguments.size, arguments.pid)


if __name__ == "__main__":
    uvloop.run(main())
