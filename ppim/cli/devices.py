"""`ppim devices`: the built-in memory devices."""

import click

COLUMNS = "{:<22}{:<8}{:>13}{:>6}{:>11}{:>10}{:>10}{:>9}  {}"


@click.command(short_help="List the built-in memory devices.")
def command() -> None:
    """List the built-in memory devices.

    `channels` is their number and the bits of one's data bus, `banks` are bank groups x banks of a rank.
    The last column says whether the commands were compared with DRAMsim3's, cycle by cycle.
    """
    from ppim.dram.load import device_names, load_device

    header = ("device", "family", "channels", "ranks", "banks", "GiB", "GB/s", "tCK ns", "against DRAMsim3")
    click.echo(COLUMNS.format(*header))
    for name in device_names():
        device = load_device(name)
        org = device.organization
        click.echo(
            COLUMNS.format(
                name,
                device.protocol,
                f"{org.channels} x {org.bus_width}",
                org.ranks,
                f"{org.bankgroups} x {org.banks_per_group}",
                f"{org.capacity_bytes / 2**30:g}",
                f"{device.peak_gb_per_s:.1f}",
                f"{device.timing.tCK:g}",
                "validated" if device.validated else "not validated",
            )
        )
