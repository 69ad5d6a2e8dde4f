from __future__ import annotations

from sessions.plugin import pytest_configure

__all__ = ["pytest_configure"]
