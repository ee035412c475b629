"""Contents of a cache in program order (least recently used), without times: a PIM unit's, or the host's."""

from ppim.jit import helper

EMPTY = -1  # tag of a way that holds nothing


@helper(forceinline=True)
def look_up(tags, index, ways, tag):
    """Find a tag in a set, or bring it in for the least recent one; whether it was there.

    `tags` has the shape (sets, ways), in each set the most recently used first.
    """
    way = 0
    while way < ways and tags[index, way] != tag:
        way += 1
    for older in range(min(way, ways - 1), 0, -1):
        tags[index, older] = tags[index, older - 1]
    tags[index, 0] = tag
    return way < ways


@helper(forceinline=True)
def probe(recipe, tags, address, bursts):
    """Look a row up in a unit's cache and bring it in; whether it was there.

    A line is one subtable row, named by its unit-local address.
    """
    return look_up(tags, (address // bursts) % recipe.cache_sets, recipe.cache_ways, address)


@helper
def forget(recipe, tags, address):
    """Let a unit's cache have no row of an address, whatever the length of the one that was there."""
    for index in range(recipe.cache_sets):
        for way in range(recipe.cache_ways):
            if tags[index, way] == address:
                for later in range(way, recipe.cache_ways - 1):
                    tags[index, later] = tags[index, later + 1]
                tags[index, recipe.cache_ways - 1] = EMPTY
