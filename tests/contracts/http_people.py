"""Who speaks in the HTTP contract, and what they send."""

from __future__ import annotations

import os

import pytest

from support.servers.service import Person, Service


def blob(size: int = 1000) -> bytes:
    """Bytes like those of a sealed backup: like nothing."""
    return os.urandom(size)


class PersonFixture:
    """A new user in every test; the module that runs a contract brings the `service`."""

    @pytest.fixture
    def person(self, service: Service) -> Person:
        return Person.of(service)
