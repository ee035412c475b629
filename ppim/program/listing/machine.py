"""What of a system the instructions of a `ppim-program` are made for."""

from ppim.dram.device import Device
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.prefetch import base
from ppim.program import costs, prepare
from ppim.program.listing import build, form as f
from ppim.systems.spec import SystemSpec


def maker_for(header: f.Header, device: Device, system: SystemSpec) -> build.Maker:
    """How lines of a file become instructions for the units of a system.

    Parameters
    ----------
    header : Header
        Of the file.
    device : Device
    system : SystemSpec
        The file fits it (`check_header`).
    """
    return build.Maker(
        geometry=UnitGeometry.of(device, system.pim.level),
        is_global=system.pim.frontend == "global",
        vector_bursts=header.units.vector_bursts,
        prefetch=base.PREFETCHES.get(header.units.prefetch),
        host_consumes=system.pim.consumer == "host",
        in_order=system.pim.deliver == "in-order",
        accumulators=system.compute.unit_accumulators,
        collects=system.pim.collect != "host",
        collectors=prepare.collectors_of_channel(device, system),
        compute_cycles=lambda macs: costs.compute_cycles(macs, system.compute, device.timing.tCK),
    )
