"""Bugs to be planted in the real code, one at a time, each of them a design that was considered or a slip that is easy.

with MUTANTS["unconditional-put"].planted():
    ...  # the domain has this bug here
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from protocol.planted import reap as of_reap
from protocol.planted import rules as of_rules
from protocol.planted import service as of_service
from protocol.planted import stores as of_stores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug.

    Attributes:
        name: short and stable.
        sentence: what the code does then.
        plant: puts it into the real code, by a patch that the caller undoes.
        harmless: why no client can tell; empty where one can.
    """

    name: str
    sentence: str
    plant: Callable[[pytest.MonkeyPatch], None]
    harmless: str = ""

    @contextmanager
    def planted(self) -> Iterator[None]:
        """The real code has the bug inside, and is itself again afterwards. Services are to be built inside."""
        with pytest.MonkeyPatch.context() as patch:
            self.plant(patch)
            yield


_ALL = (
    Mutant("unconditional-put", "A PUT replaces whatever is there.", of_service.unconditional_put),
    Mutant("physical-delete", "A deletion removes the object: the key becomes absent.", of_stores.physical_delete),
    Mutant(
        "retry-from-row",
        "A retry is answered as stored because the row says so.",
        of_service.retry_answered_by_the_row,
    ),
    Mutant(
        "early-409-from-row",
        "An upload is refused before its body because the row says so.",
        of_service.early_refusal_by_the_row,
    ),
    Mutant("row-first", "The row is committed before the object is there.", of_service.row_before_object),
    Mutant(
        "etag-from-row",
        "A download names the row's version beside the object's bytes.",
        of_service.version_of_a_download_from_the_row,
    ),
    Mutant("version-from-row", "On the slow path, the next version is the row's plus one.", of_rules.version_from_row),
    Mutant(
        "version-from-object",
        "On the slow path, the next version is the object's plus one.",
        of_rules.version_from_object,
    ),
    Mutant(
        "ack-before-commit",
        "An upload is acknowledged though its COMMIT may not happen.",
        of_service.acknowledged_before_commit,
    ),
    Mutant("lost-is-404", "A backup whose blob was lost is answered by 404.", of_service.lost_blob_is_a_404),
    Mutant(
        "not-buried-again",
        "A restored bucket's backup is followed on, though its deletion was acknowledged.",
        of_rules.not_buried_again,
    ),
    Mutant(
        "tombstone-takes-any",
        "A deleted backup may be replaced at any expected version.",
        of_rules.tombstone_takes_any_version,
    ),
    Mutant("unknown-is-stored", "A PUT without an answer is taken for a stored one.", of_service.unknown_is_stored),
    Mutant(
        "unknown-is-refused",
        "A PUT without an answer is taken for a refused one, and put again.",
        of_service.unknown_is_refused,
        harmless="Both PUTs have the same condition, so at most one of them is applied, and its upload id tells which.",
    ),
    Mutant(
        "own-put-forgotten",
        "After a refusal, what the slot holds is not compared with the call's own upload ids.",
        of_service.own_put_forgotten,
        harmless="What this call stored itself is recognised a step later, as what a retry finds.",
    ),
    Mutant(
        "refused-is-409",
        "A refused PUT is answered by 409 at once, whichever request was faster.",
        of_service.refusal_is_a_conflict,
    ),
    Mutant("row-goes-back", "A late COMMIT puts an older version into the row.", of_stores.row_goes_back),
    Mutant("never-lags", "A row that lags is not mended on the way.", of_rules.row_never_lags),
    Mutant(
        "same-bytes-any-version",
        "The bytes that the slot holds are acknowledged, whatever was expected.",
        of_rules.same_bytes_at_any_version,
    ),
    Mutant("retry-is-409", "A retry of what the slot holds is answered by 409.", of_rules.retry_not_recognised),
    Mutant("lost-is-new", "Where a blob was lost, a first upload is stored.", of_rules.lost_blob_starts_anew),
    Mutant(
        "lost-tombstone-stuck",
        "Where a tombstone was lost, a first upload is refused.",
        of_rules.lost_tombstone_takes_its_version_alone,
    ),
    Mutant("no-second-look", "A backup is called lost after one look at the object.", of_service.no_second_look),
    Mutant(
        "same-bytes-put-again",
        "The row's own bytes are put again by the row's tag.",
        of_rules.bytes_of_the_row_put_again,
    ),
    Mutant("tags-from-bytes", "Objects of the same bytes have the same tag.", of_stores.tags_from_bytes),
    Mutant(
        "tombstone-believed",
        "A reader that finds a tombstone answers 404 without asking the row.",
        of_service.tombstone_believed,
    ),
    Mutant(
        "silence-is-404",
        "A reader that finds a tombstone answers 404 where the row cannot be read.",
        of_service.silence_is_a_404,
    ),
    Mutant(
        "older-tombstone-taken",
        "A first upload goes over the older tombstone that a restored bucket put in the place of a later backup.",
        of_rules.older_tombstone_taken,
    ),
    Mutant("reap-any-version", "Reap deletes a newer version than it looked at.", of_reap.reap_any_version),
)
MUTANTS: Mapping[str, Mutant] = {mutant.name: mutant for mutant in _ALL}
