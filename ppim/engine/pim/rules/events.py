"""What a log has beside commands, where all events are kept: one line each, of which every kind has its own columns.

Timelines are drawn from them (`ppim.timeline`). Times are memory cycles. A line stands in the log of the channel
where it happens; of a stream for all channels, and of turns, in the first one's.
"""

from ppim.engine import codes
from ppim.engine.pim import state as s
from ppim.jit import helper
from ppim.program import instruction as ins, state as r

# Kinds of lines, in the place of a command: numbers behind those of commands.
SLOT = codes.N_COMMANDS  # a stream uses a slot
INSTRUCTION = SLOT + 1  # what it sends in it; a slot without one is a deliver's
DELIVER = SLOT + 2
TRANSFER = SLOT + 3  # of a sum, over the bus or the link to its collector
COMPUTE = SLOT + 4  # arithmetic of a lookup
TURN = SLOT + 5  # a turn is complete
N_KINDS = SLOT + 6

# Columns behind LOG_CYCLE and LOG_COMMAND. Of a slot, whose cycle is the one in which it is used:
SLOT_PART = 2  # parts of the cycle that the slot before takes
SLOT_END = 3  # cycle, and parts of it, in which the next one can begin
SLOT_END_PART = 4
# ... of an instruction, sent in the cycle: its own columns (`program.instruction`),
INSTRUCTION_FROM = 2
# ... of a deliver and a transfer, which is sent or ready in the cycle: the use of the bus or the link,
START = 2
END = 3
UNIT = 4
BAG = 5
EVENT_TURN = 6
BURSTS = 7
LOOKUP = 8  # of a deliver
PARENT = 8  # of a transfer: row of the collector's sum, or NONE
ON_LINK = 9  # of a transfer: 1, not on the bus
# ... of arithmetic, which begins in the cycle: END, UNIT, BAG, EVENT_TURN and LOOKUP,
# ... of a turn, which ends in the cycle: EVENT_TURN and
TURN_BEGIN = 2  # first slot of its demand
TURN_RELEASE = 3  # from when what waits for it may be sent
TURN_BATCH = 4
TURN_IS_BARRIER = 5  # 1: all demand behind it waits for it


@helper(forceinline=True)
def add_line(state, channel, kind, cycle):
    """A new line of the log; room is seen to by the engines."""
    count = state.channel[channel, s.LOG_COUNT]
    state.channel[channel, s.LOG_COUNT] = count + 1
    line = state.log[channel, count]
    line[codes.LOG_CYCLE] = cycle
    line[codes.LOG_COMMAND] = kind
    return line


@helper
def keep_slot(state, stream, cycle, part, end, end_part):
    """A slot is used."""
    line = add_line(state, stream, SLOT, cycle)
    line[SLOT_PART] = part
    line[SLOT_END] = end
    line[SLOT_END_PART] = end_part


@helper
def keep_instruction(rings, state, stream, cycle):
    """The instruction at the head of a stream is sent; behind the line of its slot."""
    line = add_line(state, stream, INSTRUCTION, cycle)
    instruction = rings.instructions[stream, rings.stream[stream, r.HEAD] & rings.instruction_mask]
    for column in range(ins.INSTRUCTION_COLUMNS):
        line[INSTRUCTION_FROM + column] = instruction[column]


@helper
def keep_use(state, kind, channel, cycle, start, end, row, bursts, extra, on_link):
    """The bus or a link moves what belongs to a sum (a row of `sums`)."""
    line = add_line(state, channel, kind, cycle)
    line[START] = start
    line[END] = end
    line[UNIT] = row[ins.SUM_UNIT]
    line[BAG] = row[ins.SUM_BAG]
    line[EVENT_TURN] = row[ins.SUM_TURN]
    line[BURSTS] = bursts
    line[LOOKUP] = extra
    line[ON_LINK] = on_link


@helper
def keep_compute(state, row, lookup, start, end):
    """A lookup of a sum (a row of `sums`) is added up."""
    line = add_line(state, row[ins.SUM_CHANNEL], COMPUTE, start)
    line[END] = end
    line[UNIT] = row[ins.SUM_UNIT]
    line[BAG] = row[ins.SUM_BAG]
    line[EVENT_TURN] = row[ins.SUM_TURN]
    line[LOOKUP] = lookup


@helper
def keep_turn(rings, state, turn, end, release, is_barrier):
    """A turn is complete."""
    row = rings.turns[turn & rings.turn_mask]
    line = add_line(state, 0, TURN, end)
    line[EVENT_TURN] = turn
    line[TURN_BEGIN] = row[r.TURN_START]
    line[TURN_RELEASE] = release
    line[TURN_BATCH] = row[r.TURN_BATCH]
    line[TURN_IS_BARRIER] = is_barrier
