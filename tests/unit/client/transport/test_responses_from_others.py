"""HTML pages with a status that the service uses: which ones are refused as a proxy's."""

from __future__ import annotations

import pytest

from obscura_backup_client.transport.backup_api import _require_from_service
from obscura_backup_client.transport.errors import NotFromService
from obscura_backup_client.transport.responses import Response, json_object, make_response
from support.table import table


@table("status", [200, 302, 399, 404, 408, 409])
def test_statuses_with_a_meaning_of_their_own_pass(status: int) -> None:
    _require_from_service(Response(status, {"content-type": "text/html"}, b"<html>"))


@table("status", [400, 401, 403, 405, 407, 410, 418, 429, 500, 599])
def test_a_page_with_any_other_refusal_is_not_from_the_service(status: int) -> None:
    with pytest.raises(NotFromService) as refused:
        _require_from_service(Response(status, {"content-type": "text/html"}, b"<html>"))
    assert refused.value.status == status


def test_a_problem_with_two_members_of_one_name_says_nothing() -> None:
    body = b'{"type": "urn:obscura-backup:problem:blob-too-large", "max_bytes": 9, "max_bytes": 10}'
    assert json_object(make_response(413, [], body)) == {}
