"""A seeded sample that stays nearly the same when the code around it changes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mutation.mutant import Site


def drawn(files: Sequence[Sequence[Sequence[Site]]], seed: int) -> list[Site]:
    """One site for each place of all files, in the order in which to try them.

    The first n, for every n, are spread over the files in proportion to their places: a run that is stopped early has
    seen a fair part of everything. The order depends on the seed and on each site's identity, not on line numbers.

    Args:
        files: for each file, for each place in it, its sites.
        seed: another seed is another order, and another choice of the sites.
    """
    ranked: list[tuple[float, str, Site]] = []
    for places in files:
        chosen = sorted(
            (min(place, key=lambda site: _key(seed, site)) for place in places), key=lambda s: _key(seed, s)
        )
        for index, site in enumerate(chosen):
            # The files take turns from different points, so that the small ones are not all first or all last.
            offset = int(_key(seed, chosen[0])[-8:], 16) / 16**8
            ranked.append(((index + offset) / len(chosen), site.identity, site))
    ranked.sort(key=lambda each: each[:2])
    return [site for _, _, site in ranked]


def _key(seed: int, site: Site) -> str:
    return hashlib.sha256(f"{seed}\0{site.identity}".encode()).hexdigest()
