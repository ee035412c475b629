"""Byte address <-> channel, rank, bank group, bank, row and column (host-controller.md §2)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ppim.dram.device import ADDRESS_FIELDS, Device

FIELD_CHARACTERS = 2


class Coordinates(NamedTuple):
    """Where a burst lies; int64 arrays of one shape. `column` counts bursts of the row."""

    channel: NDArray[np.int64]
    rank: NDArray[np.int64]
    bankgroup: NDArray[np.int64]
    bank: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]


class AddressMap(NamedTuple):
    """Bit fields of a byte address, in the order of `Coordinates`.

    Bits below `burst_bits` (inside one burst) and at or above `top_bit` (beyond the device) select nothing.
    """

    positions: tuple[int, ...]  # lowest bit of each field in the byte address
    widths: tuple[int, ...]  # bits
    burst_bits: int
    top_bit: int

    @property
    def masks(self) -> tuple[int, ...]:
        return tuple((1 << width) - 1 for width in self.widths)

    def decode(self, addresses: ArrayLike) -> Coordinates:
        """Coordinates of byte addresses (uint64 or int64, any shape)."""
        values = np.asarray(addresses)
        fields = zip(self.positions, self.masks, strict=True)
        return Coordinates(
            *(
                ((values >> values.dtype.type(at)) & values.dtype.type(mask)).astype(np.int64)
                for at, mask in fields
            )
        )

    def encode(self, coordinates: Coordinates) -> NDArray[np.int64]:
        """Lowest byte address of each burst; every coordinate must fit its field.

        Raises
        ------
        ValueError
            A coordinate is negative or needs more bits than its field has.
        """
        address = np.zeros(np.broadcast_shapes(*(np.shape(part) for part in coordinates)), np.int64)
        for name, part, at, mask in zip(
            Coordinates._fields, coordinates, self.positions, self.masks, strict=True
        ):
            values = np.asarray(part, dtype=np.int64)
            if np.any((values < 0) | (values > mask)):
                raise ValueError(f"{name} is outside 0..{mask}")
            address |= values << at
        return address

    def count_beyond(self, addresses: NDArray[np.integer]) -> int:
        """How many addresses have bits above the device, which decoding ignores: they alias lower ones."""
        return int(np.count_nonzero(addresses >> addresses.dtype.type(self.top_bit)))


def address_map(device: Device, mapping: str | None = None) -> AddressMap:
    """Bit fields of a mapping string, the device's own by default, from the least significant end."""
    org = device.organization
    counts = dict(
        zip(
            ADDRESS_FIELDS,
            (org.channels, org.ranks, org.bankgroups, org.banks_per_group, org.rows, org.bursts_per_row),
            strict=True,
        )
    )
    burst_bits = org.burst_bytes.bit_length() - 1
    mapping = mapping or device.controller.address_mapping
    positions, next_bit = {}, burst_bits
    for end in range(len(mapping), 0, -FIELD_CHARACTERS):
        name = mapping[end - FIELD_CHARACTERS : end]
        positions[name] = next_bit
        next_bit += counts[name].bit_length() - 1
    return AddressMap(
        positions=tuple(positions[name] for name in ADDRESS_FIELDS),
        widths=tuple(counts[name].bit_length() - 1 for name in ADDRESS_FIELDS),
        burst_bits=burst_bits,
        top_bit=next_bit,
    )


def flat_bank(device: Device, place: Coordinates) -> NDArray[np.int64]:
    """Index of the bank in its channel: bank group by bank group, rank by rank."""
    org = device.organization
    return (place.rank * org.bankgroups + place.bankgroup) * org.banks_per_group + place.bank
