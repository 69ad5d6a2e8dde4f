"""How commands report a backup that another program sealed too weakly."""

from __future__ import annotations

import pytest

from obscura_backup_client.sealing.kdf_parameters import KdfParameters
from support.client.other_program import sealed_by_another_program
from support.client.terminal import PASSWORD, Terminal

pytestmark = pytest.mark.usefixtures("cheap_kdf")


@pytest.fixture
def weak(pushed: Terminal) -> Terminal:
    sealed_by_another_program(pushed.server, PASSWORD, KdfParameters(8, 1, 1))
    pushed.person.passwords = [PASSWORD]
    return pushed


def test_a_push_reports_the_old_and_new_parameters_of_a_resealed_backup(weak: Terminal) -> None:
    ended = weak.run("push")
    assert "Pushed (version 3" in ended.stdout
    assert "sealed it with 8 KiB, 1 pass. It is now sealed with 128 MiB, 3 passes." in ended.stdout
    assert "Earlier copies of the backup are still sealed too weakly" in ended.stderr


def test_a_push_as_json_reports_a_resealed_backup(weak: Terminal) -> None:
    facts = weak.facts("push")
    assert (facts["uploaded"], facts["resealed_from"]) == (True, {"memory_kib": 8, "passes": 1, "lanes": 1})
    assert weak.facts("push")["resealed_from"] is None


def test_verify_reports_weak_sealing_as_text_and_json(weak: Terminal) -> None:
    weak.person.passwords = [PASSWORD, PASSWORD]
    assert "WEAK       64 MiB of memory is the minimum: the next push seals it again" in weak.ok("verify")
    assert weak.facts("verify")["weakness"] == "64 MiB of memory is the minimum"


def test_a_restore_reports_weak_sealing_before_it_asks_and_afterwards(weak: Terminal) -> None:
    ended = weak.run("restore")
    assert "sealed it too weakly" in ended.stderr
    assert "Push now" in ended.stdout


def test_status_reports_weak_sealing_after_it_was_seen(weak: Terminal) -> None:
    assert weak.facts("status")["weakness"] is None
    weak.ok("restore")
    assert "sealed TOO WEAKLY when last seen" in weak.ok("status")
    assert weak.facts("status")["weakness"] == "64 MiB of memory is the minimum"
