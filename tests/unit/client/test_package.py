"""The package's public names."""

from __future__ import annotations

import obscura_backup_client as package


def test_every_public_name_exists() -> None:
    assert {name: getattr(package, name) is not None for name in package.__all__} == dict.fromkeys(
        package.__all__, True
    )


def test_dir_lists_names_before_they_are_loaded() -> None:
    assert set(package.__all__) <= set(dir(package))


def test_errors_that_the_readme_names_are_public() -> None:
    wanted = [
        "WrongPassword",
        "RollbackSuspected",
        "BackupLost",
        "IdentityReplaced",
        "IdentityConflict",
        "OutcomeUnknown",
    ]
    assert set(wanted) <= set(package.__all__)
