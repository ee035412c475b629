"""Where a row lies, inside kernels: its unit, and its address there."""

from ppim.jit import helper
from ppim.mapping.placing import placement as p
from ppim.mapping.placing.index import find

# Odd multipliers of the bijection: any odd number is one, these spread bits well (splitmix64's).
_MULTIPLIER_1 = 0x3F58476D1CE4E5B9
_MULTIPLIER_2 = 0x14D049BB133111EB
_MULTIPLIER_3 = 0x1E3779B97F4A7C15


@helper(forceinline=True)
def permute_once(value, bits, key):
    """A seeded bijection of `bits`-bit numbers that looks random.

    Multiplications by odd numbers, additions and shifted exclusive-ors are bijections.
    """
    mask = (1 << bits) - 1
    shift = (bits + 1) >> 1
    value = (value + key) & mask
    value = (value * _MULTIPLIER_1) & mask
    value ^= value >> shift
    value = (value + (key >> 21)) & mask
    value = (value * _MULTIPLIER_2) & mask
    value ^= value >> shift
    value = (value + (key >> 42)) & mask
    value = (value * _MULTIPLIER_3) & mask
    value ^= value >> shift
    return value


@helper(forceinline=True)
def permute(value, slots, bits, key):
    """A seeded bijection of 0..slots-1 that looks random.

    Images outside 0..slots-1 are sent through again (cycle walking: Black and Rogaway, Ciphers with arbitrary
    finite domains, 2002).
    """
    while True:
        value = permute_once(value, bits, key)
        if value < slots:
            return value


@helper(forceinline=True)
def is_permuted(placement, table, subtable):
    """Whether all rows of a subtable lie where the image of their page says."""
    mode = placement.mode[table, subtable]
    return mode in (p.SPREAD, p.STRIPED) and placement.home_mask == 0


@helper(forceinline=True)
def page_of_row(placement, table, subtable, row):
    """Page of a row, to be permuted."""
    page_rows = placement.page_rows[table, subtable]
    return placement.first_page[table, subtable] + (row if page_rows == 1 else row // page_rows)


@helper(forceinline=True)
def locate_on_page(placement, table, subtable, row, image):
    """(unit over all channels, unit-local address in bursts) of a row whose page has an image; its set's first unit."""
    page_rows = placement.page_rows[table, subtable]
    offset = 0 if page_rows == 1 else row % page_rows
    if placement.mode[table, subtable] == p.STRIPED:
        return _locate_striped(placement, table, subtable, image * page_rows + offset)
    sets = placement.sets[table, subtable]
    place = image // sets
    address = (place * page_rows + offset) * placement.row_bursts[table, subtable]
    unit = image % sets * placement.set_units[table, subtable]
    return unit, placement.base[table, subtable] + address


@helper(forceinline=True)
def locate_row(placement, table, subtable, row):
    """(unit over all channels, unit-local address in bursts) of a row's own place; not DUPLICATED."""
    if placement.mode[table, subtable] == p.PACKED:
        return locate_packed(placement, table, subtable, row)
    if placement.home_mask:
        home = find(placement.homes, placement.home_mask, placement.first_row[table, subtable] + row)
        if home != p.NO_HOME:
            return home % placement.units, home // placement.units
    image = permute(
        page_of_row(placement, table, subtable, row),
        placement.slots[table, subtable],
        placement.bits[table, subtable],
        placement.key[table, subtable],
    )
    return locate_on_page(placement, table, subtable, row, image)


@helper
def _locate_striped(placement, table, subtable, position):
    """Place of the row at a position of the striped space."""
    stripe_rows = placement.stripe_rows[table, subtable]
    stripe = position // stripe_rows
    # Subtables follow each other, so that not all of them begin in the first unit.
    sets, set_units = placement.sets[table, subtable], placement.set_units[table, subtable]
    column = (stripe + placement.first_row[table, subtable] // stripe_rows) % sets
    unit = column * set_units
    if set_units == 1 and not placement.unit_first:
        channel = column % placement.channels
        unit = channel * (placement.units // placement.channels) + column // placement.channels
    place = stripe // sets * stripe_rows + position % stripe_rows
    return unit, placement.base[table, subtable] + place * placement.row_bursts[table, subtable]


@helper
def locate_packed(placement, table, subtable, row):
    """Place of a row in its subtable's segments."""
    segment = placement.first_segment[table, subtable]
    while placement.segments[segment + 1, p.SEGMENT_ROW] <= row:
        segment += 1
    offset = (row - placement.segments[segment, p.SEGMENT_ROW]) * placement.row_bursts[table, subtable]
    return placement.segments[segment, p.SEGMENT_UNIT], placement.segments[
        segment, p.SEGMENT_ADDRESS
    ] + offset


@helper(forceinline=True)
def find_copy(placement, table, subtable, row):
    """Unit-local address of the copy that every unit has of a row, or NO_COPY."""
    if placement.mode[table, subtable] == p.DUPLICATED:
        return placement.base[table, subtable] + row * placement.row_bursts[table, subtable]
    if placement.copy_mask == 0:
        return p.NO_COPY
    return find(placement.copies, placement.copy_mask, placement.first_row[table, subtable] + row)
