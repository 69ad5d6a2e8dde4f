"""Which connection is evicted for which. Connections are names here, and the test moves the clock."""

from __future__ import annotations

from dataclasses import dataclass, field

from obscura_backup.entrypoints.http.server.connection_limit import STALLED_SECONDS, SWEEP_SECONDS, ConnectionLimit
from support.table import table

STRANGERS = "198.51.100.1"


@dataclass(eq=False)
class Named:
    name: str
    stalled: float = 0.0
    ended: bool = False
    asked: int = 0

    def evict(self) -> None:
        self.ended = True

    def stalled_seconds(self) -> float:
        self.asked += 1
        return self.stalled


@dataclass
class Places:
    """A limit whose clock the test moves."""

    served: int = 3
    per_address: int = 0
    open: int = 6
    now: float = 1000.0
    all: list[Named] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.limit = ConnectionLimit(self.served, self.per_address, self.open, clock=lambda: self.now)

    def silent(self, name: str, address: str | None = STRANGERS) -> Named:
        connection = Named(name)
        self.all.append(connection)
        self.limit.add(connection, address)
        return connection

    def working(self, name: str, owner: str | None = None, address: str | None = STRANGERS) -> Named:
        """With a request under way; by default each has a user of its own."""
        connection = self.silent(name, address)
        self.limit.admit_request(connection, owner or f"user of {name}")
        return connection

    def answered(self, name: str) -> Named:
        connection = self.working(name)
        self.limit.mark_answered(connection)
        return connection

    @property
    def ended(self) -> list[str]:
        return [connection.name for connection in self.all if connection.ended]


def test_as_many_as_there_are_places_are_kept() -> None:
    places = Places(served=3)
    for name in "abc":
        places.silent(name)
    assert places.ended == []
    places.silent("d")
    assert places.ended == ["a"]


def test_order_in_which_connections_are_evicted() -> None:
    """Silent, answered, stalled, of the busiest owner; each time the oldest of the kind."""
    places = Places(served=7, open=20)
    places.working("heavy 1", "heavy")
    places.working("heavy 2", "heavy")
    places.working("stalled").stalled = STALLED_SECONDS
    places.answered("answered 1")
    places.answered("answered 2")
    places.silent("silent 1")
    places.silent("silent 2")
    went: list[str] = []
    for number in range(6):
        places.working(f"new {number}")
        went += [name for name in places.ended if name not in went]
    assert went == ["silent 1", "silent 2", "answered 1", "answered 2", "stalled", "heavy 1"]


def test_request_makes_an_answered_connection_safe_again() -> None:
    places = Places(served=2)
    first, _ = places.answered("a"), places.answered("b")
    places.limit.admit_request(first, "user")
    places.silent("c")
    assert places.ended == ["b"]


@table(("seconds", "goes"), [(STALLED_SECONDS, True), (STALLED_SECONDS - 0.01, False)])
def test_stalled_connection_is_evicted_from_a_second_on(seconds: float, *, goes: bool) -> None:
    places = Places(served=1)
    places.working("a").stalled = seconds
    places.silent("b")
    assert places.ended == (["a"] if goes else [])


def test_longest_stalled_goes_first_and_one_that_reads_again_stays() -> None:
    places = Places(served=3)
    first, second, third = (places.working(name) for name in "abc")
    first.stalled, second.stalled, third.stalled = 5, 9, 7
    places.working("d")
    assert places.ended == ["b"]
    third.stalled = 0
    places.working("e")
    assert places.ended == ["a", "b"]


def test_connections_are_checked_for_stalls_at_most_so_often() -> None:
    """A system call per connection for each new connection would be an attack of its own."""
    places = Places(served=1, open=20)
    busy = places.working("a")
    for number in range(5):
        places.working(f"late {number}")
    assert busy.asked == 1
    places.now += SWEEP_SECONDS
    places.working("later")
    assert busy.asked == 2


@table(("held", "served"), [(1, False), (2, True)])
def test_owner_of_two_requests_is_evicted_for_one_of_none(held: int, *, served: bool) -> None:
    places = Places(served=3)
    for number in range(held):
        places.working(f"heavy {number}", "heavy")
    for number in range(3 - held):
        places.working(f"other {number}")
    newcomer = places.silent("new")
    assert places.limit.admit_request(newcomer, "new user").is_granted is served
    assert places.ended == (["heavy 0"] if served else [])


@table(("held", "served"), [(2, False), (1, True)])
def test_owner_takes_no_more_than_an_equal_share(held: int, *, served: bool) -> None:
    places = Places(served=5)
    for number in range(3):
        places.working(f"heavy {number}", "heavy")
    for number in range(2):
        places.working(f"light {number}", "light" if number < held else "other")
    assert places.limit.admit_request(places.silent("new"), "light").is_granted is served


def test_silent_newcomer_ends_no_request() -> None:
    places = Places(served=2)
    places.working("a", "heavy")
    places.working("b", "heavy")
    places.silent("c")
    assert places.ended == []


def test_user_counts_apart_from_the_strangers_at_the_same_address() -> None:
    places = Places(served=3)
    for name in "abc":
        places.working(name, STRANGERS)
    newcomer = places.silent("known")
    place = places.limit.admit_request(newcomer, STRANGERS)
    assert not place.is_granted
    assert place.claim("known user")
    assert places.ended == ["a"]


def test_claim_moves_a_request_from_its_address_to_its_user() -> None:
    places = Places(served=2)
    for name in "ab":
        place = places.limit.admit_request(places.silent(name), STRANGERS)
        assert place.claim(f"user of {name}")
    assert not places.limit.admit_request(places.silent("c"), "another user").is_granted


def test_late_connection_is_served_once_there_is_a_place() -> None:
    places = Places(served=1)
    first = places.working("a")
    late = places.silent("b")
    assert not places.limit.admit_request(late, "user").is_granted
    places.limit.remove(first)
    assert places.limit.admit_request(late, "user").is_granted


def test_answer_without_a_place_gives_none() -> None:
    places = Places(served=1)
    first, late = places.working("a"), places.silent("b")
    places.limit.admit_request(late, "user")
    places.limit.mark_answered(late)
    places.limit.remove(first)
    places.silent("c")
    assert places.ended == []


def test_so_many_are_open_and_the_one_that_is_late_longest_ends_first() -> None:
    places = Places(served=1, open=3)
    places.working("a")
    places.silent("b")
    places.silent("c")
    assert places.ended == []
    places.silent("d")
    assert places.ended == ["b"]


def test_connections_of_one_address_are_bounded_and_others_are_not_affected() -> None:
    places = Places(served=9, per_address=2, open=18)
    for name in "ab":
        places.silent(name)
    places.silent("c", "203.0.113.1")
    assert places.ended == []
    places.silent("d")
    assert places.ended == ["a"]


def test_within_an_address_the_same_order_holds() -> None:
    places = Places(served=9, per_address=2, open=18)
    places.working("a", "heavy")
    places.working("b", "heavy")
    assert places.limit.admit_request(places.silent("known"), "known user").is_granted
    assert places.ended == ["a"]
    assert not places.limit.admit_request(places.silent("one too many"), "another").is_granted


def test_address_that_is_full_is_not_served_although_there_are_places() -> None:
    places = Places(served=9, per_address=1, open=18)
    places.working("a")
    assert not places.limit.admit_request(places.silent("b"), "other").is_granted
    assert places.limit.admit_request(places.silent("c", "203.0.113.1"), "other").is_granted


@table(("per_address", "address"), [(1, None), (0, STRANGERS)])
def test_trusted_proxies_and_a_bound_of_zero_are_exempt(per_address: int, address: str | None) -> None:
    places = Places(served=5, per_address=per_address, open=10)
    for name in "abcde":
        places.working(name, address=address)
    assert places.ended == []
    assert all(places.limit.claim(connection, "user") for connection in places.all)


def test_nothing_is_kept_of_connections_that_ended() -> None:
    places = Places(served=3, per_address=2, open=4)
    for number in range(20):
        places.working(f"{number}", address=f"198.51.100.{number % 3}")
        places.answered(f"answered {number}")
    for connection in places.all:
        places.limit.remove(connection)
    limit = places.limit
    assert (len(limit._all), limit._groups, limit._address_of, limit._over_limit) == (0, {}, {}, {})
    assert limit._all._queue_of == {}
