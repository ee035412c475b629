"""Make the table of SRAM energies, ppim/systems/sram.toml, with CACTI; needs the extra `energy` (Python 3.12 or newer)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import hwcomponents_cacti
from hwcomponents_cacti import SRAM

from ppim.files import atomic_path

TABLE = Path(__file__).parents[1] / "ppim" / "systems" / "sram.toml"
CACTI = Path(hwcomponents_cacti.__file__).parent / "cacti"
KIBIBYTE = 1024
SIZES_KIB = (4, 8, 16, 32, 40, *(1 << power for power in range(6, 17)))
"""From the least that the access width allows to 64 MiB; 40 KiB is the scratchpad of the default system."""
ACCESS_BYTES = 64
TECHNOLOGY_NM = 22  # the smallest that CACTI knows
PICO = 1e-12
SIGNIFICANT = 6  # digits, as CACTI prints them

HEAD = f"""\
# Energy of one access of {ACCESS_BYTES} bytes to an SRAM, by its size; tags of a cache are not contained.
# Made by scripts/sram_energy.py.
source = "CACTI 7 by way of hwcomponents-cacti {{version}}: SRAM, {TECHNOLOGY_NM} nm, one bank, one read-write port, \
{ACCESS_BYTES} bytes wide, 300 K"
access_bytes = {ACCESS_BYTES}
"""


def table() -> Iterator[str]:
    """Lines of the table."""
    yield HEAD.format(version=version("hwcomponents-cacti"))
    for kibibytes in SIZES_KIB:
        sram = SRAM(tech_node=TECHNOLOGY_NM * 1e-9, width=8 * ACCESS_BYTES, size=8 * KIBIBYTE * kibibytes)
        yield "[[sram]]"
        yield f"size_bytes = {kibibytes * KIBIBYTE:_}"
        for name, joules in (("read_pj", sram.read_energy), ("write_pj", sram.write_energy)):
            yield f"{name} = {joules / PICO:.{SIGNIFICANT}g}"
        yield ""


if __name__ == "__main__":
    try:
        text = "".join(f"{line}\n" for line in table())
    except Exception as error:  # noqa: BLE001 - what hwcomponents-cacti raises, whatever is wrong
        sys.exit(
            f"CACTI does not run: {error}\nIts program is for glibc 2.38; `make -C {CACTI} clean opt` makes yours"
        )
    with atomic_path(TABLE) as temporary:
        temporary.write_text(text, encoding="utf-8")
