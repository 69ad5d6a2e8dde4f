"""What must hold once all is quiet, of a `Site`: everybody is told the same, all is mended, nobody is stuck."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from protocol.register import Read, Shown, Stored, Unknown, Violation, Write
from protocol.site import Device

if TYPE_CHECKING:
    from protocol.register import Answer
    from protocol.site import Site

ROUNDS = 20
"""How often everything is let go on before what has not ended counts as stuck."""


def settle(site: Site, *, late_arrives: bool) -> None:
    """Let everything end without a fault."""
    for _ in range(ROUNDS):
        for one in list(site.under_way):
            site.go_on(one)
    if site.under_way:
        raise Violation(f"{site.under_way} never end")
    while site.network.puts and late_arrives:
        site.deliver_put(0)
    while site.network.saves and late_arrives:
        site.deliver_save(0)
    site.network.puts.clear()
    site.network.saves.clear()
    for register in site.registers.values():
        register.nothing_is_under_way()
    if not all(replica.holds_nothing for replica in site.replicas):
        raise Violation("a lock or memory is held by nobody")
    site.require_order()


def require_agreement(site: Site) -> None:
    """Everybody is told the same, whomever they ask, and by whichever call."""
    for device in site.devices:
        device.token = ""  # that a token is over is no news of the slot
    for user_id in site.registers:
        looks = [
            (device, replica, whole)
            for device in site.devices
            if device.user_id == user_id
            for replica, whole in enumerate((True, False))
        ]
        answers = [
            site.read(device, replica, Read(site.name("last look")), (), whole=whole)
            for device, replica, whole in looks
        ]
        told = {replace(answer, content=None) if isinstance(answer, Shown) else answer for answer in answers}
        if len(told) > 1 or Unknown() in told:
            raise Violation(f"they are told different things: {answers}")


def require_mended(site: Site) -> None:
    """A walk with repair meets whoever differs, and the next one finds nothing that it could mend."""
    differ = {user_id for user_id in site.registers if len(set(site.look(user_id))) > 1}
    first = site.scrub(0, (), repair=True) or []
    if {finding.user_id for finding in first} != differ:
        raise Violation(f"{first} is not about {differ}")
    again = site.scrub(1, (), repair=True) or []
    left = {finding.user_id for finding in first if not finding.mended}
    if {finding.user_id for finding in again} != left or any(finding.difference.mendable for finding in again):
        raise Violation(f"after {first}, there still was {again}")
    for finding in first:
        if finding.mended and len(set(site.look(finding.user_id))) > 1:
            raise Violation(f"{finding} is not mended")


def require_a_way_on(site: Site) -> None:
    """A new device of each user reads, uploads on what it was told, and is told what it uploaded.

    It may have been told of a backup that a restore brought back, and hear of its deletion only by pushing.
    """
    for user_id in site.registers:
        device = Device("new phone", user_id)
        answer: Answer | None = None
        for _ in range(2):
            site.read(device, 0, Read(site.name("first look")), ())
            write = Write(site.name("first push"), device.known, site.new_content())
            answer = site.upload(device, 1, write, (), early=True)
            if answer == Stored(device.known):
                break
        else:
            raise Violation(f"a new device is stuck: {answer}")
        shown = site.read(device, 0, Read(site.name("own look")), ())
        if shown != Shown(device.known, write.content):
            raise Violation(f"a new device stored version {device.known} and was told {shown}")
