"""What must hold of a `SimulatedDeployment` once no request runs: equal answers, repaired stores, no stuck slot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.simulation.devices import Device
from protocol.simulation.record import Violation, digest_of
from torture.history import UNKNOWN, Found, Stored

if TYPE_CHECKING:
    from protocol.simulation.deployment import SimulatedDeployment
    from torture.history import Answer

ROUNDS = 20
"""How often everything is let go on before what has not ended counts as stuck."""


def settle(deployment: SimulatedDeployment, *, late_arrives: bool) -> None:
    """Let everything end without a fault."""
    for _ in range(ROUNDS):
        for one in list(deployment.under_way):
            deployment.go_on(one)
    if deployment.under_way:
        raise Violation(f"{deployment.under_way} never end")
    while deployment.network.puts and late_arrives:
        deployment.deliver_put(0)
    while deployment.network.saves and late_arrives:
        deployment.deliver_save(0)
    deployment.network.puts.clear()
    deployment.network.saves.clear()
    if not all(replica.holds_nothing for replica in deployment.replicas):
        raise Violation("a lock or memory is held without a request")
    deployment.require_order()
    deployment.judge()


def require_agreement(deployment: SimulatedDeployment) -> None:
    """Each client gets the same answer from each service, by each call."""
    for device in deployment.devices:
        device.token = ""  # that a token is over is no news of the slot
    for user_id in deployment.users:
        looks = [
            (device, replica, whole)
            for device in deployment.devices
            if device.user_id == user_id
            for replica, whole in enumerate((True, False))
        ]
        answers = [deployment.read(device, replica, None, (), whole=whole) for device, replica, whole in looks]
        if len(set(answers)) > 1 or UNKNOWN in answers:
            raise Violation(f"they are told different things: {answers}")


def require_mended(deployment: SimulatedDeployment) -> None:
    """A scrub with repair finds all differences, and the next one finds nothing that it could repair."""
    differ = {user_id for user_id in deployment.users if len(set(deployment.look(user_id))) > 1}
    first = deployment.scrub(0, (), repair=True) or []
    if {finding.user_id for finding in first} != differ:
        raise Violation(f"{first} is not about {differ}")
    again = deployment.scrub(1, (), repair=True) or []
    left = {finding.user_id for finding in first if not finding.repaired}
    if {finding.user_id for finding in again} != left or any(finding.difference.repairable for finding in again):
        raise Violation(f"after {first}, there still was {again}")
    for finding in first:
        if finding.repaired and len(set(deployment.look(finding.user_id))) > 1:
            raise Violation(f"{finding} is not mended")


def require_a_way_on(deployment: SimulatedDeployment) -> None:
    """A new device of each user reads, uploads on what it was told, and is told what it uploaded.

    It may have been told of a backup that a restore brought back, and hear of its deletion only by pushing.
    """
    for user_id in deployment.users:
        device = Device("new phone", user_id)
        answer: Answer | None = None
        for _ in range(2):
            deployment.read(device, 0, None, ())
            content = deployment.new_content()
            answer = deployment.upload(device, 1, device.known, content, (), early=True)
            if answer == Stored(device.known):
                break
        else:
            raise Violation(f"a new device is stuck: {answer}")
        shown = deployment.read(device, 0, None, ())
        if shown != Found(device.known, digest_of(content)):
            raise Violation(f"a new device stored version {device.known} and was told {shown}")
    deployment.judge()
