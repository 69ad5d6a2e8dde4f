"""No slot gets stuck: whatever the two stores hold, a fresh client that meets no faults gets on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup.domain.model import NO_VERSION, Version
from protocol.explorer import processes, stores
from protocol.explorer.processes import Answer, Ask, Ending, Reply, Said, Wants

if TYPE_CHECKING:
    from obscura_backup.domain.model import Revision

ROUNDS = 2
"""To read, and to upload on what was told; once more where this finds that a restored bucket undid a deletion."""


class _Stores:
    """The two stores, answering at once."""

    def __init__(self, row: Revision | None, found: Revision | None) -> None:
        self._row = row
        self._found = found

    def answer(self, ask: Ask) -> Answer:
        match ask.wants:
            case Wants.ROW:
                return self._row
            case Wants.LOOK:
                return self._found
            case Wants.SAVE:
                assert ask.revision is not None
                self._row = stores.row_after(self._row, ask.revision)
                return Reply.DONE
            case _:
                assert ask.revision is not None
                if not stores.condition_holds(self._found, ask.replaces):
                    return Reply.REFUSED
                self._found = stores.object_after(ask.revision)
                return Reply.DONE


class FreshClient:
    """A client that comes when all others are gone. Uploads ask for an early refusal first, as long ones do."""

    def __init__(self, row: Revision | None, found: Revision | None) -> None:
        self._stores = _Stores(row, found)

    def complaint(self) -> str:
        """What keeps this client from uploading, reading back and deleting; empty: nothing does."""
        ending = Ending(Said.UNAVAILABLE)
        for attempt in range(ROUNDS):
            ending = self._upload(self._read_version(), f"fresh {attempt}")
            if ending.said is not Said.CONFLICT:
                break
        if ending.said is not Said.STORED or ending.revision is None:
            return f"an upload on what a read told ends with {ending.said.value}: the slot is stuck"
        reading = self._read("afterwards")
        if reading.revision != ending.revision:
            return "a read does not give what was just uploaded"
        deletion = self._delete(ending.revision.version)
        if deletion.said is not Said.DELETED or self._read("in the end").said is not Said.NOT_FOUND:
            return f"the deletion of what was just uploaded ends with {deletion.said.value}"
        again = self._upload(NO_VERSION, "fresh again")
        if again.said is not Said.STORED:
            return f"a first upload after a deletion ends with {again.said.value}"
        return ""

    def _read_version(self) -> Version:
        reading = self._read("at first")
        return reading.revision.version if reading.revision else reading.version

    def _read(self, name: str) -> Ending:
        return processes.drive(processes.read(processes.parts_named(name).service()), self._stores.answer)

    def _upload(self, expected: Version, text: str) -> Ending:
        service = processes.parts_named(text).service()
        return processes.drive(processes.upload(service, expected, text, early=True), self._stores.answer)

    def _delete(self, expected: Version) -> Ending:
        service = processes.parts_named("delete").service()
        return processes.drive(processes.delete(service, expected), self._stores.answer)
