"""Banks of a channel: when may which command be issued, and what does issuing it change.

Host mode and PIM mode share this file; they differ in the distance table and in who chooses commands.

State
-----
A *lane* is a bank of the channel, lane = (rank * bankgroups + bankgroup) * banks_per_group + bank, padded
to blocks of 16. Per lane and *later* command there is an earliest cycle, as in host-controller.md §10.
The four commands that occur all the time (classes ACT, COLUMN_READ, COLUMN_WRITE, PRE) lie in `earliest`,
block by block, four vectors a block; the rare four (refresh, self refresh) in `slow`. `distance` and
`slow_distance` hold, for each issued command and lane, the distance to each later command on each lane in
the same layout, so issuing is one add and one maximum over all lanes. The activate windows (tFAW, and
t32AW for GDDR) are folded into the ACT vector of the rank when an ACTIVATE is issued.

Cycles in `earliest` and `slow` are int32 relative to `base[0]`, which moves up by itself (`_rebase`);
every function takes and returns absolute int64 cycles, so runs may be longer than 2^31 cycles.

`candidates[class]` is the caller's: the mask of lanes that want this command now. The caller sets and
clears bits when a bank's queue or state changes; `issue` and `scan` only read them. Where a channel has more
than 64 banks, the classes of the second word of masks (`lane_masks`) follow those of the first.

Invariants
----------
* `earliest` never decreases except by the common shift of `_rebase`; only `issue` and `apply` write it.
* `open_row[lane]` is NO_ROW exactly when the bank is closed, `n_open[rank]` counts the others.
* After `issue(...)` at cycle t: `ready_now` are the candidate lanes that may issue in cycle t, `next_cycle`
  is the first cycle after t in which any candidate may issue (or NEVER) and `ready_next` the candidates
  that may issue in that cycle. They hold until a candidate bit, the eligible mask or the state changes.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import int32, int64
from numpy.typing import NDArray

from ppim import arrays
from ppim.dram import device as dram, timing
from ppim.engine import activate_window, codes, lane_masks
from ppim.engine.refresh import refresh_or_wait
from ppim.jit import helper
from ppim.jit.lanes import LANE_SHIFT, LANES, at_most, load, lower, raised, smallest, splat, store, where
from ppim.jit.tables import bare

# Classes of later commands that have a vector each.
ACT = 0
COLUMN_READ = 1
COLUMN_WRITE = 2
PRE = 3
N_CLASSES = 4
BLOCK = N_CLASSES * LANES
WORD_BLOCKS = lane_masks.WORD_LANES // LANES  # of a word of a mask

CLASS_COMMANDS = (codes.ACTIVATE, codes.READ, codes.WRITE, codes.PRECHARGE)
SLOW_COMMANDS = (codes.REFRESH_BANK, codes.REFRESH, codes.SELF_REFRESH_ENTER, codes.SELF_REFRESH_EXIT)
N_SLOW = 4

LANE_BITS = (1 << LANES) - 1
WORD_BITS = (1 << lane_masks.WORD_LANES) - 1
NOT_A_CANDIDATE = (1 << 31) - 1
REBASE_AFTER = 1 << 29


class BankShape(NamedTuple):
    """Sizes and switches, one int each."""

    n_lanes: int
    n_blocks: int
    banks_per_rank: int
    n_ranks: int
    tFAW: int  # 0: no window
    t32AW: int  # 0: no window


class Banks(NamedTuple):
    """All channels' banks; see the module's text. Arrays from `base` on have a channel axis first."""

    shape: BankShape
    distance: NDArray[np.int32]  # (10 * n_lanes * n_blocks * 64,)
    slow_distance: NDArray[np.int32]  # (10 * n_lanes * 4 * n_lanes,)
    rank_block_lanes: NDArray[np.int64]  # (n_ranks * n_blocks,) mask of the rank's lanes in each block
    rank_lanes: NDArray[np.int64]  # (words * n_ranks,) mask of the rank's lanes: [word][rank]
    rank_of: NDArray[np.int64]  # (n_lanes,) rank of each lane: a load is faster than a division
    base: NDArray[np.int64]  # (channels, 1)
    earliest: NDArray[np.int32]  # (channels, n_blocks * 64): [block][class][lane of block]
    slow: NDArray[np.int32]  # (channels, 4 * n_lanes): [slow command][lane]
    bank_cycle: NDArray[np.int32]  # (channels, n_blocks * 16) scratch
    candidates: NDArray[np.int64]  # (channels, words * 4) masks: [word][class]
    open_row: NDArray[np.int32]  # (channels, n_lanes)
    n_open: NDArray[np.int64]  # (channels, n_ranks)
    activates: NDArray[np.int64]  # (channels, n_ranks * 32) cycles of the last ACTIVATEs, a ring
    n_activates: NDArray[np.int64]  # (channels, n_ranks)
    active_since: NDArray[np.int64]  # (channels, n_ranks) first cycle of the current active stretch
    active_cycles: NDArray[np.int64]  # (channels, n_ranks) completed active stretches


class ChannelBanks(NamedTuple):
    """One channel's part of `Banks`: the same arrays without the channel axis."""

    shape: BankShape
    distance: NDArray[np.int32]
    slow_distance: NDArray[np.int32]
    rank_block_lanes: NDArray[np.int64]
    rank_lanes: NDArray[np.int64]
    rank_of: NDArray[np.int64]
    base: NDArray[np.int64]
    earliest: NDArray[np.int32]
    slow: NDArray[np.int32]
    bank_cycle: NDArray[np.int32]
    candidates: NDArray[np.int64]
    open_row: NDArray[np.int32]
    n_open: NDArray[np.int64]
    activates: NDArray[np.int64]
    n_activates: NDArray[np.int64]
    active_since: NDArray[np.int64]
    active_cycles: NDArray[np.int64]


KeepAcross = Callable[[str, str], bool]


def host_timing(device: dram.Device) -> NDArray[np.int64]:
    """Distances as the host sees them, by scope."""
    return timing.distance_table(device)


def readout_timing(table: NDArray[np.int64]) -> NDArray[np.int64]:
    """`table` with WRITE timed exactly like READ, for a second kind of read in the WRITE class."""
    changed = table.copy()
    changed[codes.WRITE], changed[codes.WRITE_P] = table[codes.READ], table[codes.READ_P]
    changed[:, codes.WRITE], changed[:, codes.WRITE_P] = changed[:, codes.READ], changed[:, codes.READ_P]
    return changed


def keep_activates(issued: str, later: str) -> bool:
    """Policy `physical` of PIM units: across units only the activate spacing (tRRD) is left."""
    return issued == later == "activate"


def keep_nothing(issued: str, later: str) -> bool:  # noqa: ARG001 - the signature is KeepAcross'
    """Policies `faw-only` and `none` of PIM units: no distance across units."""
    return False


def lane_distances(
    organization: dram.Organization,
    table: NDArray[np.int64],
    unit_of_lane: NDArray[np.int64] | None = None,
    keep_across_units: KeepAcross = keep_nothing,
) -> NDArray[np.int64]:
    """Distances from bank to bank.

    Parameters
    ----------
    organization : Organization
    table : ndarray of int64, shape (10, 10, 4)
        Distances by issued command, later command and scope (`distance_table`).
    unit_of_lane : ndarray of int64, shape (banks,), optional
        PIM unit of each bank. Refresh and self-refresh commands act on the rank whatever the units.
    keep_across_units : callable
        Given the names of the issued and the later command, whether their distance also holds between
        banks of different units.

    Returns
    -------
    ndarray of int64, shape (10 issued, banks, 10 later, banks)
    """
    lane = np.arange(organization.banks)
    group = lane // organization.banks_per_group
    rank = lane // organization.banks_per_rank
    scope = np.full((lane.size, lane.size), 3)
    scope[rank[:, None] == rank] = 2
    scope[group[:, None] == group] = 1
    scope[lane, lane] = 0
    distances = table[:, :, scope].transpose(0, 2, 1, 3).copy()
    if unit_of_lane is not None:
        foreign = unit_of_lane[:, None] != unit_of_lane
        for issued in range(codes.REFRESH_BANK):
            for later in range(codes.REFRESH_BANK):
                if not keep_across_units(timing.COMMANDS[issued], timing.COMMANDS[later]):
                    distances[issued, :, later][foreign] = timing.UNCONSTRAINED
    return distances


def make_banks(
    device: dram.Device,
    n_channels: int,
    distances: NDArray[np.int64] | None = None,
    *,
    activate_windows: bool = True,
) -> Banks:
    """Closed, idle banks at cycle 0.

    Parameters
    ----------
    device : Device
    n_channels : int
    distances : ndarray of int64, shape (10, banks, 10, banks), optional
        From `lane_distances`; by default the host's.
    activate_windows : bool
        False drops tFAW and t32AW.
    """
    org = device.organization
    if distances is None:
        distances = lane_distances(org, host_timing(device))
    if int(distances.max()) >= REBASE_AFTER:
        raise ValueError(f"distances must be below {REBASE_AFTER} cycles")
    n_lanes = org.banks
    n_blocks, n_words = -(-n_lanes // LANES), lane_masks.words_for(n_lanes)
    padded = np.full((codes.N_COMMANDS, n_lanes, N_CLASSES, n_blocks * LANES), timing.UNCONSTRAINED, np.int32)
    padded[..., :n_lanes] = distances[:, :, CLASS_COMMANDS, :]
    by_block = padded.reshape(codes.N_COMMANDS, n_lanes, N_CLASSES, n_blocks, LANES).swapaxes(2, 3)
    per_rank = org.banks_per_rank
    rank_masks = [((1 << per_rank) - 1) << (rank * per_rank) for rank in range(org.ranks)]
    block_starts = range(0, n_blocks * LANES, LANES)
    shape = BankShape(
        n_lanes=n_lanes,
        n_blocks=n_blocks,
        banks_per_rank=per_rank,
        n_ranks=org.ranks,
        tFAW=device.timing.tFAW if activate_windows else 0,
        t32AW=device.timing.t32AW if activate_windows and device.is_gddr else 0,
    )
    ranks = (n_channels, org.ranks)
    return Banks(
        shape=shape,
        distance=arrays.aligned_copy(by_block.reshape(-1)),
        slow_distance=np.ascontiguousarray(distances[:, :, SLOW_COMMANDS, :].reshape(-1), np.int32),
        rank_block_lanes=np.array(
            [mask >> at & LANE_BITS for mask in rank_masks for at in block_starts], np.int64
        ),
        rank_lanes=np.array(
            [
                mask >> word * lane_masks.WORD_LANES & WORD_BITS
                for word in range(n_words)
                for mask in rank_masks
            ],
            np.uint64,
        ).view(np.int64),
        rank_of=np.arange(n_lanes) // per_rank,
        base=np.zeros((n_channels, 1), np.int64),
        earliest=arrays.aligned_full((n_channels, n_blocks * BLOCK), 0, np.int32),
        slow=np.zeros((n_channels, N_SLOW * n_lanes), np.int32),
        bank_cycle=arrays.aligned_full((n_channels, n_blocks * LANES), 0, np.int32),
        candidates=np.zeros((n_channels, n_words * N_CLASSES), np.int64),
        open_row=np.full((n_channels, n_lanes), codes.NO_ROW, np.int32),
        n_open=np.zeros(ranks, np.int64),
        activates=np.full((n_channels, org.ranks * activate_window.LONG_WINDOW), -codes.NEVER, np.int64),
        n_activates=np.zeros(ranks, np.int64),
        active_since=np.zeros(ranks, np.int64),
        active_cycles=np.zeros(ranks, np.int64),
    )


@helper(forceinline=True)
def channel_banks(banks, channel):
    """`ChannelBanks` of one channel (views; keep `banks` alive)."""
    return ChannelBanks(
        banks.shape,
        bare(banks.distance),
        bare(banks.slow_distance),
        bare(banks.rank_block_lanes),
        bare(banks.rank_lanes),
        bare(banks.rank_of),
        bare(banks.base)[channel],
        bare(banks.earliest)[channel],
        bare(banks.slow)[channel],
        bare(banks.bank_cycle)[channel],
        bare(banks.candidates)[channel],
        bare(banks.open_row)[channel],
        bare(banks.n_open)[channel],
        bare(banks.activates)[channel],
        bare(banks.n_activates)[channel],
        bare(banks.active_since)[channel],
        bare(banks.active_cycles)[channel],
    )


@helper
def _rebase(b, cycle):
    """Move the origin of the int32 cycles to `cycle`; what lies far in the past stays in the past."""
    shift = cycle - b.base[0]
    for i in range(b.shape.n_blocks * BLOCK):
        b.earliest[i] = max(int64(b.earliest[i]) - shift, int64(timing.UNCONSTRAINED))
    for i in range(N_SLOW * b.shape.n_lanes):
        b.slow[i] = max(int64(b.slow[i]) - shift, int64(timing.UNCONSTRAINED))
    b.base[0] = cycle


@helper(forceinline=True)
def _relative(b, cycle):
    """`cycle` as int32 since `base`; cycles only move on."""
    if cycle - b.base[0] > REBASE_AFTER:
        _rebase(b, cycle)
    return int32(cycle - b.base[0])


@helper(forceinline=True)
def lane_at(lane):
    """Where a lane's ACT cycle is in `earliest`; the other classes follow at distances of LANES."""
    return ((lane >> LANE_SHIFT) * BLOCK) + (lane & (LANES - 1))


@helper(forceinline=True)
def earliest_cycle(b, later_class, lane):
    """First cycle in which a command of a class (ACT, COLUMN_READ, ...) may be issued to a lane."""
    return b.base[0] + b.earliest[lane_at(lane) + later_class * LANES]


@helper(forceinline=True)
def earliest_slow_cycle(b, command, lane):
    """First cycle in which REFRESH_BANK, REFRESH, SELF_REFRESH_ENTER or _EXIT may be issued to a lane."""
    return b.base[0] + b.slow[(command - codes.REFRESH_BANK) * b.shape.n_lanes + lane]


def active_cycles(banks: Banks, cycles: int) -> NDArray[np.int64]:
    """Cycles before `cycles` in which a rank has an open bank, shape (channels, n_ranks)."""
    running = np.where(banks.n_open > 0, cycles - banks.active_since, 0)
    return banks.active_cycles + running


@helper(forceinline=True)
def open_bank(b, lane, row, cycle):
    """Note that `row` is open from `cycle` on."""
    rank = b.rank_of[lane]
    if b.n_open[rank] == 0:
        b.active_since[rank] = cycle
    b.n_open[rank] += 1
    b.open_row[lane] = row


@helper(forceinline=True)
def close_bank(b, lane, cycle):
    """Note that the bank is closed from `cycle` on."""
    rank = b.rank_of[lane]
    b.n_open[rank] -= 1
    if b.n_open[rank] == 0:
        b.active_cycles[rank] += cycle - b.active_since[rank]
    b.open_row[lane] = codes.NO_ROW


@helper(forceinline=True)
def _note_activate(b, lane, cycle):
    """Enter an ACTIVATE into its rank's history; the cycle from which the windows allow the next one."""
    rank = b.rank_of[lane]
    ring = rank * activate_window.LONG_WINDOW
    n = b.n_activates[rank]
    activate_window.note_activate(b.activates, ring, activate_window.LONG_WINDOW, n, cycle)
    b.n_activates[rank] = n + 1
    return max(
        activate_window.window_opens(
            b.activates, ring, activate_window.LONG_WINDOW, n + 1, activate_window.SHORT_WINDOW, b.shape.tFAW
        ),
        activate_window.window_opens(
            b.activates, ring, activate_window.LONG_WINDOW, n + 1, activate_window.LONG_WINDOW, b.shape.t32AW
        ),
    )


@helper(forceinline=True)
def _raise_class(b, block_start, distance_start, later_class, now):
    """Raise one class of one block and return it."""
    at = block_start + later_class * LANES
    value = raised(load(b.earliest, at), now, load(b.distance, distance_start + later_class * LANES))
    store(b.earliest, at, value)
    return value


@helper(forceinline=True)
def _raise_activate(b, block_start, distance_start, now, window, window_lanes):
    """As `_raise_class` for ACT, with the rank's activate window (relative cycle)."""
    value = raised(load(b.earliest, block_start), now, load(b.distance, distance_start))
    value = raised(
        value, splat(int32(0)), where(window_lanes, splat(window), splat(int32(timing.UNCONSTRAINED)))
    )
    store(b.earliest, block_start, value)
    return value


@helper(forceinline=True)
def candidates_of(word, later_class):
    """Place in `candidates` of one word of a class's mask."""
    return word * N_CLASSES + later_class


@helper(forceinline=True)
def _wanted_cycle(b, word, first_lane, eligible, act, read, write, pre):
    """Per lane of a block the earliest cycle of the commands it is a candidate for.

    `first_lane` is the block's first lane in the word of its mask.
    """
    never = splat(int32(NOT_A_CANDIDATE))
    a = where(b.candidates[candidates_of(word, ACT)] >> first_lane, act, never)
    r = where(b.candidates[candidates_of(word, COLUMN_READ)] >> first_lane, read, never)
    w = where(b.candidates[candidates_of(word, COLUMN_WRITE)] >> first_lane, write, never)
    p = where(b.candidates[candidates_of(word, PRE)] >> first_lane, pre, never)
    return where(eligible >> first_lane, lower(lower(a, p), lower(r, w)), never)


@helper
def _raise_slow(b, command, lane, now):
    """Raise the refresh and self-refresh cycles of every lane."""
    n = N_SLOW * b.shape.n_lanes
    start = (command * b.shape.n_lanes + lane) * n
    for i in range(n):
        b.slow[i] = max(b.slow[i], now + b.slow_distance[start + i])


@helper(forceinline=True)
def _raise_own_refresh(b, command, lane, now):
    """Raise the refresh cycle of the bank itself."""
    n = b.shape.n_lanes
    at = (codes.REFRESH - codes.REFRESH_BANK) * n + lane
    b.slow[at] = max(b.slow[at], now + b.slow_distance[(command * n + lane) * (N_SLOW * n) + at])


@helper(forceinline=True)
def _relative_window(b, command, lane, cycle):
    """Enter an ACTIVATE into the history; relative cycle from which the windows allow the next one."""
    if command != codes.ACTIVATE:
        return int32(timing.UNCONSTRAINED)
    return int32(max(_note_activate(b, lane, cycle) - b.base[0], int64(timing.UNCONSTRAINED)))


@helper(forceinline=True)
def _raise_refresh(b, command, lane, now):
    """Keep the refresh cycles up to date as far as rank refresh and open pages need it."""
    if command >= codes.REFRESH_BANK:
        _raise_slow(b, command, lane, now)
    elif command == codes.PRECHARGE:
        _raise_own_refresh(b, command, lane, now)


@helper(forceinline=True)
def _raise_vectors(b, command, lane, cycle, now):
    window, rank = _relative_window(b, command, lane, cycle), b.rank_of[lane]
    distance_start = (command * b.shape.n_lanes + lane) * (b.shape.n_blocks * BLOCK)
    now_vector = splat(now)
    for block in range(b.shape.n_blocks):
        start, offset = block * BLOCK, distance_start + block * BLOCK
        _raise_activate(
            b, start, offset, now_vector, window, b.rank_block_lanes[rank * b.shape.n_blocks + block]
        )
        _raise_class(b, start, offset, COLUMN_READ, now_vector)
        _raise_class(b, start, offset, COLUMN_WRITE, now_vector)
        _raise_class(b, start, offset, PRE, now_vector)


@helper
def apply(b, command, lane, cycle):
    """`issue` without the look for what may come next."""
    now = _relative(b, cycle)
    _raise_refresh(b, command, lane, now)
    _raise_vectors(b, command, lane, cycle, now)


@helper
def apply_all(b, command, lane, cycle):
    """`apply` that keeps every slow command's cycle: for bank refresh, self refresh and auto-precharge."""
    now = _relative(b, cycle)
    _raise_slow(b, command, lane, now)
    _raise_vectors(b, command, lane, cycle, now)


@helper(forceinline=True)
def _kept(b, block_start, later_class):
    """A class of one block, which the command does not delay."""
    return load(b.earliest, block_start + later_class * LANES)


@helper(forceinline=True)
def _raise_block(b, command, block, distance_start, now, window, window_lanes):
    """Raise a block's classes as far as a command delays them without auto-precharge, and return them."""
    start, offset = block * BLOCK, distance_start + block * BLOCK
    if command == codes.ACTIVATE:
        act = _raise_activate(b, start, offset, now, window, window_lanes)
    elif command in (codes.READ, codes.WRITE):
        act = _kept(b, start, ACT)
    else:
        act = _raise_class(b, start, offset, ACT, now)
    if command == codes.PRECHARGE:
        read, write = _kept(b, start, COLUMN_READ), _kept(b, start, COLUMN_WRITE)
    else:
        read = _raise_class(b, start, offset, COLUMN_READ, now)
        write = _raise_class(b, start, offset, COLUMN_WRITE, now)
    return act, read, write, _raise_class(b, start, offset, PRE, now)


@helper(forceinline=True)
def issue(b, command, lane, cycle, eligible):
    """Issue `command` on `lane` at `cycle`: move every earliest cycle, and look for what may come next.

    For open pages and rank refresh: of the slow commands' cycles it keeps those of REFRESH, which only a
    PRECHARGE of the same bank and refreshes delay. Bank refresh, self refresh and auto-precharge need
    `apply_all`. The open row is the caller's business (`open_bank`, `close_bank`).

    Parameters
    ----------
    b : ChannelBanks
        At most 64 banks; `candidates` as they are after this command.
    command, lane, cycle : int
        What is issued, where (for REFRESH any lane of the rank) and when.
    eligible : int
        Mask of the lanes to look at (all, or without those that wait for a refresh).

    Returns
    -------
    ready_now : int
        Candidate lanes that may issue in `cycle` still.
    next_cycle : int
        First later cycle in which a candidate may issue, or NEVER.
    ready_next : int
        Candidate lanes that may issue in `next_cycle`.
    """
    now = _relative(b, cycle)
    _raise_refresh(b, command, lane, now)
    window, rank_block = _relative_window(b, command, lane, cycle), b.rank_of[lane] * b.shape.n_blocks
    distance_start = (command * b.shape.n_lanes + lane) * (b.shape.n_blocks * BLOCK)
    now_vector = splat(now)
    if b.shape.n_blocks == 1:
        act, read, write, pre = _raise_block(
            b, command, 0, distance_start, now_vector, window, b.rank_block_lanes[rank_block]
        )
        wanted = _wanted_cycle(b, 0, 0, eligible, act, read, write, pre)
        first = max(smallest(wanted), now + int32(1))
        ready_now, ready_next = at_most(wanted, now_vector), at_most(wanted, splat(first))
    else:
        best = splat(int32(NOT_A_CANDIDATE))
        for block in range(b.shape.n_blocks):
            act, read, write, pre = _raise_block(
                b, command, block, distance_start, now_vector, window, b.rank_block_lanes[rank_block + block]
            )
            wanted = _wanted_cycle(b, 0, block * LANES, eligible, act, read, write, pre)
            store(b.bank_cycle, block * LANES, wanted)
            best = lower(best, wanted)
        first = max(smallest(best), now + int32(1))
        ready_now, ready_next = int64(0), int64(0)
        for block in range(b.shape.n_blocks):
            wanted = load(b.bank_cycle, block * LANES)
            ready_now |= at_most(wanted, now_vector) << (block * LANES)
            ready_next |= at_most(wanted, splat(first)) << (block * LANES)
    if first == NOT_A_CANDIDATE:
        return int64(0), int64(codes.NEVER), int64(0)
    return ready_now, b.base[0] + first, ready_next


@helper(forceinline=True)
def scan(b, cycle, eligible):
    """First cycle, `cycle` or later, in which a candidate may issue (or NEVER), and who may then; of up to 64 banks."""
    return scan_word(b, 0, cycle, eligible)


@helper
def scan_word(b, word, cycle, eligible):
    """`scan` of the lanes in one word of a mask; `eligible` and who may issue are that word."""
    now = _relative(b, cycle)
    best = splat(int32(NOT_A_CANDIDATE))
    first_block = word * WORD_BLOCKS
    stop = min(first_block + WORD_BLOCKS, b.shape.n_blocks)
    for block in range(first_block, stop):
        start = block * BLOCK
        wanted = _wanted_cycle(
            b,
            word,
            (block - first_block) * LANES,
            eligible,
            load(b.earliest, start),
            load(b.earliest, start + COLUMN_READ * LANES),
            load(b.earliest, start + COLUMN_WRITE * LANES),
            load(b.earliest, start + PRE * LANES),
        )
        store(b.bank_cycle, block * LANES, wanted)
        best = lower(best, wanted)
    first = max(smallest(best), now)
    ready = int64(0)
    for block in range(first_block, stop):
        lanes = at_most(load(b.bank_cycle, block * LANES), splat(first))
        ready |= lanes << ((block - first_block) * LANES)
    if first == NOT_A_CANDIDATE:
        return int64(codes.NEVER), int64(0)
    return b.base[0] + first, ready


@helper(forceinline=True)
def _next_of(earliest, size, now):
    """The smallest of the first `size` cycles that is after `now`, or NOT_A_CANDIDATE."""
    best = int32(NOT_A_CANDIDATE)
    for i in range(size):  # without branches, so that LLVM makes vectors of it
        at = int32(earliest[i])
        best = min(best, at if at > now else int32(NOT_A_CANDIDATE))
    return best


@helper
def next_possibility(b, cycle):
    """First cycle after `cycle` that is the earliest one of any command on any lane, or NEVER."""
    now = _relative(b, cycle)
    first = min(
        _next_of(b.earliest, b.shape.n_blocks * BLOCK, now), _next_of(b.slow, N_SLOW * b.shape.n_lanes, now)
    )
    return b.base[0] + first if first != NOT_A_CANDIDATE else int64(codes.NEVER)


@helper
def refresh_rank_step(b, rank, cycle):
    """What the refresh of a rank needs in `cycle` (host-controller.md §9).

    Returns
    -------
    command, lane : int
        PRECHARGE of the first open bank whose time has come, REFRESH (lane: the rank's first) when all
        banks are closed and ready, else NO_COMMAND.
    next_look : int
        With NO_COMMAND the first cycle in which the answer can be another one.
    """
    first = rank * b.shape.banks_per_rank
    precharge_at, refresh_at = int64(codes.NEVER), int64(0)
    for lane in range(first, first + b.shape.banks_per_rank):
        if b.open_row[lane] != codes.NO_ROW:
            at = earliest_cycle(b, PRE, lane)
            if at <= cycle:
                return codes.PRECHARGE, lane, cycle
            precharge_at = min(precharge_at, at)
        else:
            refresh_at = max(refresh_at, earliest_slow_cycle(b, codes.REFRESH, lane))
    command, look = refresh_or_wait(precharge_at, refresh_at, cycle)
    return command, first if command == codes.REFRESH else codes.NO_LANE, look
