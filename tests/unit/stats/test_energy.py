"""Energy: by hand, by parts, and said to be unknown where a figure is missing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ppim.dram.device import Device, Interface
from ppim.dram.energy import EnergyCounts, channel_energy_v_ma_cycles
from ppim.dram.load import device_names, load_device
from ppim.engine.pim import state as s
from ppim.runs.simulate import simulate
from ppim.stats.counters import Table
from ppim.stats.energy import RunEnergy, host_energy, pim_energy
from ppim.stats.result import SimulationResult
from ppim.stats.summary import note_lines, summary, summary_lines
from ppim.systems.energy import add_pj, arithmetic, mac_pj, sram_energy, sram_table
from ppim.systems.load import load_system
from ppim.systems.spec import EnergySpec
from tests.reference.pim_programs import Case, ProgramBuilder, make_system
from tests.reference.small_traces import small_trace
from tests.unit.engine_pim.compare import run_on_both

# HBM2, one device a rank, tCK 1 ns, from its currents by hand:
ACTIVATE = 1.2 * (65 * 48 - (55 * 34 + 40 * 14))  # 828 pJ
READ = 1.2 * (390 - 55) * 2  # 804 pJ
ACTIVE_CYCLE, IDLE_CYCLE = 1.2 * 55, 1.2 * 40  # 66 and 48 pJ
BIT = 0.8


def hbm2() -> Device:
    return load_device("hbm2-4gb")


def test_ten_commands_by_hand() -> None:
    """Bank 0: ACT, 3 READ, PRE, ACT, 2 READ; the second unit: ACT, READ. One vector leaves."""
    program = ProgramBuilder()
    program.turn()
    sum_ = program.sum(0, 0)
    program.read(0, 0, 0, program.lookup(sum_), bursts=3)
    program.read(0, 0, 128, program.lookup(sum_), bursts=2)
    program.lone_read(0, 1, 0)
    program.transfer(0, 0, sum_)
    system = make_system(instruction_interval=8)
    case = Case(0, hbm2(), system, program.build())
    result = run_on_both(case)[0]
    assert [len(commands.cycle) for commands in result.commands] == [10] + [0] * 7
    # ACT 2, READ 16, 18, 20; the second row's instruction joins at 10; PRE 36 (tRAS), ACT 50, READ 64, 66,
    # data 82; the second unit opens its bank at 18 and keeps it: so one is open from 2 on.
    counters = result.counters[0]
    assert counters[[s.ACTIVATES, s.READS, s.PRECHARGES, s.INSTRUCTIONS]].tolist() == [3, 6, 1, 4]
    assert result.active[0].tolist() == [result.cycles - 2]
    sources = {
        "engine": Table(result.counters, s),
        "built": {
            name: np.array([n] + [0] * 7)
            for name, n in {"MACS": 96, "SRAM_READS": 4, "SRAM_FILLS": 0, "COLLECTED": 0}.items()
        },
    }
    counts = {
        "bytes_external": 64 * result.counters[:, s.TRANSFER_BURSTS],
        "instructions": result.counters[:, s.INSTRUCTIONS],
    }
    energy = pim_energy(hbm2(), system, sources, counts, result.active, result.cycles)
    by_hand = {
        "activate": 3 * ACTIVATE,
        "read": 6 * READ,
        "refresh": 0.0,
        "background": (result.cycles - 2) * ACTIVE_CYCLE + 2 * IDLE_CYCLE,
        "cache": 4 * 11.1153,  # CACTI: 64 bytes from 40 KiB
        "compute": 96 * 4.6,
        "io": (8 * 64 + 4 * system.pim.instruction_bits) * BIT,  # what is read ends in its unit and pays none
    }
    assert energy.parts.keys() == by_hand.keys()
    for name, picojoules in by_hand.items():
        assert energy.parts[name][0] == pytest.approx(picojoules, rel=1e-12), name
    assert energy.total is not None
    assert energy.total[0] == pytest.approx(sum(by_hand.values()), rel=1e-12)
    # Channels without work stand by, with all banks closed.
    assert energy.total[1] == pytest.approx(result.cycles * IDLE_CYCLE)


def test_prefetches_and_misses_are_written_into_the_sram_and_collectors_add() -> None:
    ones = np.ones(8, dtype=np.int64)
    names = {
        "ACTIVATES": 0, "READS": 0, "WRITES": 0, "REFRESHES": 0, "PREFETCH_READS": 2, "MACS": 0, "SRAM_READS": 0,
        "SRAM_FILLS": 3, "COLLECTED": 5,
    }  # fmt: skip
    counted = {name: n * ones for name, n in names.items()}
    counts = {"bytes_external": 0 * ones, "instructions": 0 * ones}
    system = make_system(collect="base-die")
    energy = pim_energy(
        hbm2(), system, {"engine": counted, "built": counted}, counts, np.zeros((8, 1), dtype=np.int64), 10
    )
    assert energy.parts["cache"].tolist() == pytest.approx([5 * 27.9293] * 8)
    assert energy.parts["collect"].tolist() == pytest.approx([5 * 16 * 0.9] * 8)


def test_a_hosts_energy_is_that_of_its_memory_cache_and_pins() -> None:
    device = load_device("ddr4-8gb-x8-3200")
    dram = EnergyCounts(10, 20, 0, 1, 0, [500, 0], [500, 1000], [0, 0])
    counts = {
        name: np.array([n])
        for name, n in {"bytes_cache": 640, "bytes_dram": 1280, "bytes_external": 1280}.items()
    }
    energy = host_energy(device, load_system("cpu-ideal"), [dram], counts, cycles=1100, simulated=1000)
    whole = channel_energy_v_ma_cycles(device, dram)
    assert energy.parts["background"][0] == pytest.approx((whole.background + 100 * 2 * 355.2) * 0.63)
    commands = sum(energy.parts[name][0] for name in ("activate", "read", "write", "refresh"))
    assert commands == pytest.approx((whole.total - whole.background) * 0.63)
    # CACTI: 64 bytes to and from 32 MiB; POD12 over 34 and 48 Ohm at two bits in 0.63 ns.
    assert energy.parts["cache"][0] == pytest.approx(10 * 736.15 + 20 * 749.511)
    assert energy.parts["io"][0] == pytest.approx(8 * 1280 * 1.2**2 / 82 / 2 * 1000 * 0.63 / 2, rel=5e-3)
    assert energy.total is not None
    assert energy.total[0] == pytest.approx(sum(values[0] for values in energy.parts.values()), rel=1e-9)


def run_on(device: str, **settings: float) -> SimulationResult:
    trace = small_trace(
        "qr", {"vector_bytes": 128, "collisions": 4}, rows=(50,), samples=3, batch_size=3, pooling=(2, 3)
    )
    return simulate(trace, load_system("proactivepim", {"device": device, **settings}))


def test_an_unknown_figure_leaves_the_total_empty_and_is_said() -> None:
    result = run_on("lpddr4-8gb-x16-2400")
    row = next(result.rows())
    assert "energy_total_pj" not in row
    assert "energy_io_pj" not in row
    assert row["energy_read_pj"] > 0
    assert "energy_total_pj" not in result.totals
    note = "energy_total_pj is empty: no figure for the I/O of lpddr4-8gb-x16-2400; set io_pj_per_bit, in pJ"
    assert summary(result)["energy_notes"] == [note]
    assert not any("energy" in line for line in summary_lines(result))
    assert [line for line in note_lines(result) if "energy" in line] == [f"note: {note}"]
    given = run_on("lpddr4-8gb-x16-2400", io_pj_per_bit=2.0)
    assert given.energy_notes == ()
    assert given.totals["energy_total_pj"] > row["energy_read_pj"]


def test_a_command_that_would_give_energy_back_is_left_out_and_said_once() -> None:
    """DRAMsim3's default IDD5PB is 5 mA, standby takes 55."""
    device = load_device("hbm2-4gb", {"refresh_policy": "BANK_LEVEL_STAGGERED"})
    counts = EnergyCounts(1, 2, 0, 0, 7, [10], [90], [0])
    dram = dataclasses.replace(counts, bank_refreshes=0)
    system = load_system("cpu-hbm")
    nothing = {name: np.zeros(8, dtype=np.int64) for name in ("bytes_cache", "bytes_dram", "bytes_external")}
    energies = [
        host_energy(device, system, [one] * 8, nothing, cycles=100, simulated=100) for one in (counts, dram)
    ]
    assert energies[0].total is not None
    assert energies[1].total is not None
    assert energies[0].total.tolist() == energies[1].total.tolist()
    assert energies[0].parts["refresh"].tolist() == [0.0] * 8
    assert len(energies[0].notes) == 1
    assert "IDD5PB = 5 mA" in energies[0].notes[0]
    # DRAMsim3's own sum has it.
    assert channel_energy_v_ma_cycles(device, counts).refresh_bank < 0


def test_no_preset_device_gives_energy_back() -> None:
    for name in device_names():
        assert RunEnergy({}).notes == ()
        assert host_notes(load_device(name)) == (), name


def host_notes(device: Device) -> tuple[str, ...]:
    nothing = {
        name: np.zeros(device.organization.channels, dtype=np.int64)
        for name in ("bytes_cache", "bytes_dram", "bytes_external")
    }
    ranks = [0] * device.organization.ranks
    idle = EnergyCounts(0, 0, 0, 0, 0, ranks, ranks, ranks)
    channels = [idle] * device.organization.channels
    return host_energy(device, load_system("cpu"), channels, nothing, cycles=0, simulated=0).notes


def test_srams_by_size() -> None:
    table = sram_table()
    spec = EnergySpec()
    sizes = [entry["size_bytes"] for entry in table["sram"]]
    assert sizes == sorted(sizes)
    for entry in table["sram"]:
        found = sram_energy(spec, entry["size_bytes"])
        assert found is not None
        assert (found.read_pj, found.write_pj) == (entry["read_pj"], entry["write_pj"])
    between = sram_energy(spec, 48 * 1024)
    assert between is not None
    low, high = table["sram"][4], table["sram"][5]
    assert (low["size_bytes"], high["size_bytes"]) == (40_960, 65_536)
    assert between.read_pj == pytest.approx(low["read_pj"] + (high["read_pj"] - low["read_pj"]) / 3)
    least, smaller = sram_energy(spec, sizes[0]), sram_energy(spec, 100)
    assert least == smaller
    assert sram_energy(spec, sizes[-1] + 1) is None
    given = sram_energy(EnergySpec(sram_read_pj=3.0, sram_write_pj=4.0), sizes[-1] + 1)
    assert given is not None
    assert (given.read_pj, given.write_pj) == (3.0, 4.0)


def test_every_figure_has_a_source() -> None:
    assert arithmetic()["source"]
    assert sram_table()["source"]
    for name in device_names():
        interface = load_device(name).interface
        assert (interface.io_pj_per_bit is None) == (interface.source == ""), name


def test_a_systems_own_figures_come_first() -> None:
    assert (mac_pj(EnergySpec()), add_pj(EnergySpec())) == (4.6, 0.9)
    assert (mac_pj(EnergySpec(mac_pj=1.5)), add_pj(EnergySpec(add_pj=0.2))) == (1.5, 0.2)


def test_an_io_figure_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="io_pj_per_bit = -1 pJ is not between 0"):
        Interface(io_pj_per_bit=-1)
