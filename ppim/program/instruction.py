"""The program's arrays: instructions for PIM units, the lookups they serve and the sums they end in.

A program is read as three integer tables (int64). Indices between them are absolute row numbers.
`docs/model.md` says what each instruction does.
"""

from typing import NamedTuple

import numpy as np

# Kinds of instruction; those of demand, which waits for barriers, come first.
READ = 0  # read a row into its own unit
READ_OUT = 1  # read a row out to the host, which delivers it to the lookup's unit
HIT = 2  # a demand access that the unit's cache serves
LAST_ACCESS = HIT  # kinds up to here serve lookups
MOVE_OUT = 3  # read a row that moves to another unit out to the host
MOVE_IN = 4  # write it where it goes; a turn of its own, so that the host has it
LAST_DEMAND = MOVE_IN
PREFETCH = 5  # every unit of every channel reads its copy of a row into its scratchpad
TRANSFER = 6  # one vector of partial sums leaves its unit
DELIVER = 7  # the host sends what a READ_OUT brought it; in the program only where delivers keep its order
N_KINDS = 8

# Columns of an instruction.
KIND = 0
CHANNEL = 1  # ALL for a broadcast
UNIT = 2  # unit of the channel; ALL for a prefetch, and for a READ or HIT that all units execute
ADDRESS = 3  # unit-local, in bursts; unused by HIT, TRANSFER and DELIVER
BURSTS = 4  # of the access, or of the vector a TRANSFER moves
TURN = 5  # a prefetch carries the turn that will use it
LOOKUP = (
    6  # row of the lookup served (up to LAST_ACCESS, DELIVER), else NONE; UNIT = ALL: of the first unit's
)
SUM = 7  # TRANSFER: row of its first sum, else NONE
# READ_OUT, DELIVER: place of the read-out among all of the program; MOVE_OUT, MOVE_IN: of the row among those that move
# together. Same place as SUM.
ORDER = 7
N_SUMS = 8  # TRANSFER: consecutive sums moved (one per channel that has one); 0: empty
SHARERS = 8  # demand, DELIVER: lookups behind LOOKUP, consecutive, that use the row too; same place as N_SUMS
STEP = 9  # UNIT = ALL: from one unit's first lookup to the next unit's; READ_OUT: 0, or delivered to many (below)
LISTED = -1  # STEP of a READ_OUT that is delivered to receivers
INSTRUCTION_COLUMNS = 10

# Whom a demand instruction serves: UNIT = ALL, in the n-th of its units, LOOKUP + n * STEP and the SHARERS behind it.
# READ_OUT with a STEP: it is delivered to the units of LOOKUP, LOOKUP + STEP, ..., SHARERS of them behind the first.
# READ_OUT with LISTED: it is delivered to the receiver LOOKUP and to the SHARERS receivers behind it.
# Else LOOKUP and the SHARERS behind it, in one unit.

# Columns of a lookup.
LOOKUP_SUM = 0  # row of the sum it adds to (names channel and unit of its owner)
LOOKUP_OPERANDS = 1  # operands that still have to arrive; counted down by the engine
LOOKUP_COMPUTE = 2  # memory cycles its arithmetic takes
LOOKUP_READY = 3  # arrival of its latest operand so far; written by the engine
LOOKUP_BURSTS = 4  # bursts it keeps in the unit's buffer until its arithmetic ends
LOOKUP_COLUMNS = 5

# A receiver has a lookup's place, among those of its turn: lookups of one unit to which one row is delivered.
RECEIVER_SUM = LOOKUP_SUM  # the sum of its first lookup (names channel and unit)
RECEIVER_MARK = LOOKUP_OPERANDS  # NONE, which a lookup never has
RECEIVER_LOOKUP = 2  # its first lookup; receivers of a row stand in the order of these
RECEIVER_SHARERS = 3  # lookups behind that one, consecutive, that use the row too

# Columns of a sum: the partial sum of one bag in one unit.
SUM_CHANNEL = 0
SUM_UNIT = 1
SUM_BAG = 2  # sample in the batch
SUM_TURN = 3
SUM_LOOKUPS = 4  # lookups that still have to be added; counted down by the engine
SUM_READY = 5  # end of its latest addition so far, then of its transfer; written by the engine
SUM_SENT = 6  # cycle in which its transfer was sent, else NONE; written by the engine
SUM_ORDER = 7  # order of its transfer among the channel's; written by the engine
SUM_BURSTS = 8  # of its vector; written by the engine, but for a collector's sum
SUM_PARENT = 9  # row of the collector's sum that its transfer is added to, or NONE, or APART
SUM_ORDINAL = 10  # how many sums its unit had before it; used where accumulators are few
SUM_COLUMNS = 11

ALL = -1
NONE = -1
APART = -2  # the sum that all parts of a memory make together, each of which runs a program of its own


class Program(NamedTuple):
    """A stretch of a program in program order; whole turns with their transfers.

    Attributes
    ----------
    instructions : ndarray of int64, shape (n, INSTRUCTION_COLUMNS)
    lookups : ndarray of int64, shape (m, LOOKUP_COLUMNS)
    sums : ndarray of int64, shape (k, SUM_COLUMNS)
    turn_batch : ndarray of int64, shape (turns,)
        Batch of each turn (barriers by batch need it).
    """

    instructions: np.ndarray
    lookups: np.ndarray
    sums: np.ndarray
    turn_batch: np.ndarray
