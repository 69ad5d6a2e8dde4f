"""The log of a service over real PostgreSQL and S3 servers, at level `debug`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from support.servers.fault_proxy import Fault
from support.servers.s3_servers import ACCESS_KEY, SECRET_KEY
from support.servers.service import Person, Service

if TYPE_CHECKING:
    from support.servers.fleet import Fleet


def test_debug_log_holds_no_user_id_token_or_credential(fleet: Fleet) -> None:
    log = fleet.folder / "log"
    service = Service(fleet.folder / "service", fleet.environment(), ("--log-level", "debug"))
    fleet.services.append(service)
    with log.open("w") as file:
        service.start(stderr=file)
    person = Person.of(service)
    assert person.download().status == 404
    assert person.upload(os.urandom(100)).status == 200
    assert person.upload(os.urandom(100), if_match="7").status == 409
    assert person.download().status == 200
    fleet.to_s3.plan(Fault.CUT_ANSWER, method="GET", times=20)
    assert person.download().status == 503
    fleet.to_s3.plan(Fault.LOSE_ANSWER, method="PUT", times=20)
    person.upload(os.urandom(100), if_match="1")
    assert service.stop() == 0
    written = log.read_text()
    assert "WARNING" in written, "the failed requests are logged"
    for secret in (str(person.user_id), person.user_id.hex, person.token, ACCESS_KEY, SECRET_KEY):
        assert secret not in written
