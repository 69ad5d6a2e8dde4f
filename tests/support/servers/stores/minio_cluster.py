"""MinIO as four processes with erasure coding, behind a balancing proxy, which is the one endpoint of the cluster.

Each node has one drive. An object is cut into four parts, and any two of them give its bytes (parity 2, MinIO's default
for four drives). A read needs two nodes, a write three.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import threading
import time
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

import urllib3
from minio.credentials.providers import StaticProvider
from minio.minioadmin import MinioAdmin

from support.servers.programs import native
from support.servers.programs.go_programs import BUILDS
from support.servers.proxies.fault_proxy import FaultProxy
from support.servers.stores.s3_server import ACCESS_KEY, REGION, SECRET_KEY, STOP_SECONDS, S3Server
from support.servers.stores.s3_servers import MINIO, MINIO_ENVIRONMENT

if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence
    from pathlib import Path

NODES = 4
HEALTH_SECONDS = 0.5
"""Between two looks of the balancer at a node. A node that does not answer in time is not given connections."""


class _Heal(Enum):
    """A command of the administration API that MinIO's SDK does not have."""

    COMMAND = "heal/"


class Node:
    """One process of the cluster, with one drive."""

    def __init__(self, folder: Path, port: int, program: Path, drives: Sequence[str]) -> None:
        self.port = port
        self.drive = folder / "drive"
        self.drive.mkdir(parents=True)
        self._folder = folder
        self._command: list[str | Path] = [program, "server", *drives, "--address", f"127.0.0.1:{port}", "--quiet"]
        self._process: subprocess.Popen[bytes] | None = None
        self._pool = urllib3.PoolManager(timeout=5.0, retries=False)

    def start(self) -> None:
        """Start it; it answers when enough of the others do."""
        if self._process is None:
            with (self._folder / "log").open("ab") as output:
                self._process = subprocess.Popen(
                    self._command,
                    cwd=self._folder,
                    env={
                        "PATH": os.environ.get("PATH", ""),
                        "HOME": str(self._folder),
                        # Else it refuses a drive that is a folder of the root file system.
                        "MINIO_CI_CD": "on",
                        # Else it does not find itself by a loopback address when it runs in a container.
                        "_MINIO_SERVER_LOCAL": f"127.0.0.1:{self.port}",
                        **MINIO_ENVIRONMENT,
                    },
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
            self._process = None

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def remove(self) -> None:
        self.kill()
        self._pool.clear()

    def can_read(self) -> bool:
        """Whether it says that it reaches enough drives to read; what a load balancer asks."""
        try:
            url = f"http://127.0.0.1:{self.port}/minio/health/cluster/read"
            return bool(self._pool.request("GET", url, timeout=HEALTH_SECONDS).status == 200)
        except urllib3.exceptions.HTTPError:
            return False

    def sees_all_drives(self) -> bool:
        """Whether it is connected to the drives of all nodes."""
        try:
            servers = json.loads(self._administrator().info())["servers"]
        except Exception:  # noqa: BLE001  # whatever it says, it is not ready
            return False
        return [drive["state"] for server in servers for drive in server.get("drives", ())] == ["ok"] * NODES

    def heal(self) -> bool:
        """Give each drive what it missed, as `mc admin heal --recursive` does; whether all drives have all now."""
        options = {"recursive": True, "scanMode": 1}
        items: list[dict[str, Any]] = []
        query = {"clientToken": self._heal(options, {"forceStart": "true"})["clientToken"]}
        while (told := self._heal(options, query))["Summary"] == "running":
            items += told.get("Items") or []
            time.sleep(0.1)
        items += told.get("Items") or []
        states = {drive["state"] for item in items for drive in item["after"]["drives"] or ()}
        return bool(told["Summary"] == "finished" and states == {"ok"})

    def _heal(self, options: dict[str, Any], query: dict[str, Any]) -> dict[str, Any]:
        answer = self._administrator()._url_open(
            method="POST", command=cast("Any", _Heal.COMMAND), query_params=query, body=json.dumps(options).encode()
        )
        return dict(json.loads(answer.data))

    def _administrator(self) -> MinioAdmin:
        return MinioAdmin(
            endpoint=f"127.0.0.1:{self.port}",
            credentials=StaticProvider(ACCESS_KEY, SECRET_KEY),
            region=REGION,
            secure=False,
            http_client=self._pool,
        )


class Balancer(FaultProxy):
    """Gives each connection to the next node that says it can read; none is taken while no node does."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        super().__init__(nodes[0].port)
        self._healthy = dict.fromkeys(nodes, False)
        self._turn = 0
        self._ending = threading.Event()
        self._looking = [threading.Thread(target=self._look, args=(node,), daemon=True) for node in nodes]
        for thread in self._looking:
            thread.start()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """See `FaultProxy.connect`."""
        ports = [node.port for node, is_healthy in self._healthy.items() if is_healthy]
        self._turn += 1
        for number in range(len(ports)):
            try:
                return await asyncio.open_connection("127.0.0.1", ports[(self._turn + number) % len(ports)])
            except ConnectionRefusedError:
                continue
        raise ConnectionRefusedError

    def close(self) -> None:
        self._ending.set()
        for thread in self._looking:
            thread.join()
        self.__exit__(None, None, None)

    def _look(self, node: Node) -> None:
        while not self._ending.wait(HEALTH_SECONDS / 2):
            self._healthy[node] = node.can_read()


class MinioCluster(S3Server):
    """Four nodes behind one endpoint.

    Attributes:
        nodes: the processes.
        balancer: the endpoint, which can also break requests.
    """

    def __init__(self) -> None:
        super().__init__()
        program = BUILDS.path_of(MINIO)
        self._folder = native.temporary_folder("minio-cluster", user=None)
        ports = [native.free_port() for _ in range(NODES)]
        drives = [f"http://127.0.0.1:{port}{self._folder}/{number}/drive" for number, port in enumerate(ports)]
        self.nodes = [Node(self._folder / str(number), port, program, drives) for number, port in enumerate(ports)]
        self.balancer = Balancer(self.nodes)
        self.balancer.__enter__()
        self.port = self.balancer.port

    def restore(self) -> None:
        """Have all nodes running and connected, and each drive as the others."""
        for node in self.nodes:
            node.start()
        native.await_answer(self._answers, None, None)
        native.await_answer(self.nodes[0].heal, None, None)

    def _answers(self) -> bool:
        # A node that was just started answers before it is connected to the others.
        return all(node.sees_all_drives() for node in self.nodes) and super()._answers()

    def _start(self) -> tuple[None, None]:
        for node in self.nodes:
            node.start()
        return None, None

    def _kill(self) -> None:
        for node in self.nodes:
            node.kill()

    def _signal(self, number: signal.Signals) -> None:
        for node in self.nodes:
            node.signal(number)

    def _remove(self) -> None:
        self._pool.clear()
        self.balancer.close()
        for node in self.nodes:
            node.remove()
        shutil.rmtree(self._folder, ignore_errors=True)
