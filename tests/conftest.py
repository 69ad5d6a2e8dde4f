from __future__ import annotations

from support.sessions.plugin import pytest_configure

__all__ = ["pytest_configure"]
