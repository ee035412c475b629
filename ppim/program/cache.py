"""Contents of a PIM unit's cache in program order (least recently used), without times."""

from __future__ import annotations

from ppim.jit import helper

EMPTY = -1  # tag of a way that holds nothing


@helper(forceinline=True)
def probe(recipe, tags, stamps, address, bursts):
    """Look a row up and bring it in; whether it was there.

    A line is one subtable row, named by its unit-local address. `tags` and `stamps` have the shape
    (sets, ways); the stamp of the last use orders a set, position (0, 0) of a spare last set counts uses.
    """
    clock = stamps[recipe.cache_sets, 0] + 1
    stamps[recipe.cache_sets, 0] = clock
    ways = recipe.cache_ways
    index = (address // bursts) % recipe.cache_sets
    victim = 0
    for way in range(ways):
        if tags[index, way] == address:
            stamps[index, way] = clock
            return True
        if stamps[index, way] < stamps[index, victim]:
            victim = way
    tags[index, victim] = address
    stamps[index, victim] = clock
    return False
