"""The text format of ProactivePIM's authors: a PIM program, an instruction a line.

`<device> <command> <byte address> <bursts> `, words divided by single blanks, one blank at the end; an
empty line ends a table's block (docs/formats.md). Reads and delivers name a place by the first address
map, prefetches by the second; a transfer's address is 0.

Source: github YoungsukKim12/dlrm (branch develop), YoungsukKim12/DRAMsim3 (branch mydev).
"""

import numpy as np
from numpy.typing import NDArray

from ppim.dram import address
from ppim.dram.device import Device
from ppim.mapping.placing.geometry import UnitGeometry

# What a line says.
READ_LINE = 0
DELIVER_LINE = 1
TRANSFER_LINE = 2
PREFETCH_LINE = 3
N_COMMANDS = 4
BLANK_LINE = 4
DIMM_LINE = 5  # any command to the DIMM
COMMANDS = ("RD", "DR", "TR", "PR")
"""Words of the commands, by number."""

# Columns of an item: a line whose address has been taken apart.
ITEM_KIND = 0
ITEM_CHANNEL = 1
ITEM_UNIT = 2
ITEM_ADDRESS = 3  # unit-local, in bursts
ITEM_BURSTS = 4
ITEM_COLUMNS = 5

FIRST_MAP = "rarobacobgch"
SECOND_MAP = "chbgrarobaco"


class UnitAddresses:
    """Between byte addresses of the format and (channel, unit, unit-local address in bursts).

    Parameters
    ----------
    device : Device
    geometry : UnitGeometry
        Units of the system; their level decides which banks are one unit's.
    """

    def __init__(self, device: Device, geometry: UnitGeometry) -> None:
        self.device, self.geometry = device, geometry
        self.first = address.address_map(device, FIRST_MAP)
        self.second = address.address_map(device, SECOND_MAP)

    def encode(
        self,
        bits: address.AddressMap,
        channel: NDArray[np.int64] | int,
        unit: NDArray[np.int64] | int,
        local: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Byte address of a unit-local address: column first, then the unit's banks, then rows."""
        geometry, org = self.geometry, self.device.organization
        place, column = np.divmod(local, geometry.bursts_per_row)
        row, bank_of_unit = np.divmod(place, geometry.banks_per_unit)
        flat = unit * geometry.banks_per_unit + bank_of_unit
        rank, bank_of_rank = np.divmod(flat, org.banks_per_rank)
        bankgroup, bank = np.divmod(bank_of_rank, org.banks_per_group)
        shape = np.shape(local)
        return bits.encode(
            address.Coordinates(
                np.broadcast_to(np.asarray(channel), shape), rank, bankgroup, bank, row, column
            )
        )

    def decode(
        self, bits: address.AddressMap, addresses: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """(channel, unit of the channel, unit-local address in bursts) of byte addresses."""
        place = bits.decode(addresses)
        unit, bank_of_unit = np.divmod(address.flat_bank(self.device, place), self.geometry.banks_per_unit)
        row_of_unit = place.row * self.geometry.banks_per_unit + bank_of_unit
        return place.channel, unit, row_of_unit * self.geometry.bursts_per_row + place.column
