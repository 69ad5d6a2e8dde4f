"""Tells the requests of the management listener from those of the public one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.enums import ScopeType

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send


class ListenerSwitch:
    """Passes a request on to the application of its listener.

    The port is that of the socket that accepted the connection. A client cannot choose it, unlike the Host header.

    Args:
        public: the application that serves clients, and the lifespan of the process.
        management: the application of the management listener.
        management_port: its port.
    """

    def __init__(self, public: ASGIApp, management: ASGIApp, management_port: int) -> None:
        self._public = public
        self._management = management
        self._management_port = management_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Choose the application, and pass the request on."""
        is_management = scope["type"] == ScopeType.HTTP and _port_of(scope) == self._management_port
        await (self._management if is_management else self._public)(scope, receive, send)


def _port_of(scope: Scope) -> int | None:
    server = scope["server"]
    return None if server is None else server[1]
