"""Address fields: decode and encode are inverse, bits outside the device select nothing."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ppim.dram.address import ADDRESS_FIELDS, Coordinates, address_map, flat_bank
from ppim.dram.device import Device
from ppim.dram.load import device_names, load_device

MAPPINGS = ["".join(fields) for fields in permutations(ADDRESS_FIELDS)]


@st.composite
def devices(draw: st.DrawFn) -> Device:
    overrides = {
        "address_mapping": draw(st.sampled_from(MAPPINGS)),
        "channels": 2 ** draw(st.integers(0, 4)),
        "ranks": 2 ** draw(st.integers(0, 2)),
        "rows": 2 ** draw(st.integers(4, 17)),
    }
    return load_device(draw(st.sampled_from(device_names())), overrides)


addresses = st.lists(st.integers(0, 2**62), min_size=1, max_size=20)


@given(devices(), addresses)
def test_encode_undoes_decode_within_the_device(device: Device, values: list[int]) -> None:
    places = address_map(device)
    inside = np.array(values, np.uint64) % np.uint64(device.organization.capacity_bytes)
    burst = inside & ~np.uint64(device.organization.burst_bytes - 1)
    np.testing.assert_array_equal(places.encode(places.decode(inside)), burst.astype(np.int64))


@given(devices(), addresses)
def test_fields_are_the_bits_read_one_by_one(device: Device, values: list[int]) -> None:
    """The slow twin: peel the fields off the low end of the address, in Python integers."""
    org = device.organization
    counts = {
        "ch": org.channels,
        "ra": org.ranks,
        "bg": org.bankgroups,
        "ba": org.banks_per_group,
        "ro": org.rows,
        "co": org.bursts_per_row,
    }
    mapping = device.controller.address_mapping
    decoded = address_map(device).decode(np.array(values, np.uint64))
    for index, value in enumerate(values):
        rest, expected = value // org.burst_bytes, {}
        for end in range(len(mapping), 0, -2):
            name = mapping[end - 2 : end]
            rest, expected[name] = divmod(rest, counts[name])
        assert [int(part[index]) for part in decoded] == [expected[name] for name in ADDRESS_FIELDS]


@given(devices(), addresses)
def test_higher_addresses_alias(device: Device, values: list[int]) -> None:
    places, capacity = address_map(device), device.organization.capacity_bytes
    assert capacity == 1 << places.top_bit
    array = np.array(values, np.uint64)
    low = array % np.uint64(capacity)
    for one, other in zip(places.decode(array), places.decode(low), strict=True):
        np.testing.assert_array_equal(one, other)
    assert places.count_beyond(array) == np.count_nonzero(array != low)


@given(devices())
def test_every_bank_of_a_channel_has_its_own_index(device: Device) -> None:
    org = device.organization
    grid = np.indices((org.ranks, org.bankgroups, org.banks_per_group)).reshape(3, -1)
    zero = np.zeros_like(grid[0])
    index = flat_bank(device, Coordinates(zero, *grid, zero, zero))
    np.testing.assert_array_equal(index, np.arange(org.banks))


def test_the_worked_example_of_the_reference() -> None:
    """rochrababgco on DDR4 8Gb x8: column 6-12, group 13-14, bank 15-16, rank 17, row 18-33."""
    places = address_map(load_device("ddr4-8gb-x8-3200"))
    assert dict(zip(ADDRESS_FIELDS, places.positions, strict=True)) == {
        "co": 6,
        "bg": 13,
        "ba": 15,
        "ra": 17,
        "ch": 18,
        "ro": 18,
    }
    assert places.top_bit == 34


def test_a_coordinate_too_large_is_refused() -> None:
    places = address_map(load_device("hbm2-4gb"))
    with pytest.raises(ValueError, match=r"bank is outside 0\.\.3"):
        places.encode(Coordinates(*(np.array([value]) for value in (0, 0, 0, 4, 0, 0))))
