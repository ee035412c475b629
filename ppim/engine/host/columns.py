"""Columns of the host controller's state: what stands where in its arrays.

Kernels import this file as `s` and write `s.QUEUED`. Slots, clocks, counters, arrivals and rules are the
same in both kernels; what only one of them has is said.
"""

# Fields of a slot.
SLOT_ADDRESS = 0
SLOT_STAMPS = 1  # sum of the stamps of the reads it serves, or the stamp of the write
SLOT_READERS = 2  # of a write 0, less the writes that it took along
SLOT_ROW = 3
SLOT_COLUMN = 4
SLOT_LANE = 5
SLOT_NUMBER = 6  # of its request: lower ones are older
SLOT_NEXT = 7
SLOT_FIELDS = 8

# Fields of a lane.
LENGTH = 0  # entries in the command queue
HITS = 1  # positions that want the open row
WRITES = 2  # positions that are writes
ACCESSES = 3  # column commands since the ACTIVATE
FIRST_READ = 4  # waiting list of reads: oldest slot, newest slot
LAST_READ = 5
FIRST_WRITE = 6  # waiting list of writes
LAST_WRITE = 7
LANE_FIELDS = 8

# Fields of a rank, in the general kernel.
HAD_TRAFFIC = 0
SLEEPS_SINCE = 1  # cycle of SELF_REFRESH_ENTER, or NEVER
SLEPT_UNTIL = 2  # cycle of SELF_REFRESH_EXIT, or NEVER
RANK_FIELDS = 3

# A channel's clocks and small state.
NEXT_COMMAND = 0  # cycle of the next command that selection could find
READY_LANES = 1  # lanes that may issue in NEXT_COMMAND
NEXT_MOVE = 2  # cycle of the next move into a command queue
REFRESH_LOOK = 3  # cycle in which refresh must be looked at next
REFRESHES_SERVED = 4
REFRESHES_ON_TIME = 5  # consecutive refreshes issued in the cycle they fell due
BLOCKED_LANES = 6  # lanes held for the pending refresh
POINTER = 7  # round robin: lane found last
DRAIN = 8  # writes left to move before reads are served again
FLUSH = 9  # 1: the trace has ended, write back what is left
QUEUED = 10  # entries in command queues
N_READS = 11  # waiting reads
N_WRITES = 12  # waiting writes
READ_LANES = 13  # lanes with waiting reads
WRITE_LANES = 14  # lanes with waiting writes
ROOM_LANES = 15  # lanes whose command queue has room
N_FREE = 16
KEPT_USED = 17
ARRIVALS = 18  # buffered arrivals: next to register, end
ARRIVALS_END = 19
LOG_USED = 20
DONE_USED = 21  # completions that the front end has not been told yet
NEXT_ARRIVAL = 22  # cycle in which the next buffered arrival is registered, or NEVER
CHANNEL_FIELDS = 24  # whole cache lines

# Counters of a channel; the first ten are the commands by code.
READ_HITS = 10
WRITE_HITS = 11
DEMAND_PRECHARGES = 12
DUAL_COMMANDS = 13
MERGED_READS = 14
MERGED_WRITES = 15
FORWARDED = 16
ACCEPTED_READS = 17
ACCEPTED_WRITES = 18
READS_DONE = 19
WRITES_DONE = 20
READ_LATENCY = 21  # sum over completed or issued reads, cycles
WRITE_LATENCY = 22  # sum over WRITE commands, cycles
LAST_STAMP = 23  # equals the sum of inter-arrival times
LAST_READ_CYCLE = 24
LAST_WRITE_CYCLE = 25
LAST_COMPLETION = 26
LONGEST_READ = 27  # greatest latency of reads, and of writes, that share no command
LONGEST_WRITE = 28
N_COUNTERS = 29

# A buffered arrival.
ARRIVAL_CYCLE = 0
ARRIVAL_ADDRESS = 1
ARRIVAL_REQUEST = 2  # twice its number, 1 more if it is a write
ARRIVAL_FIELDS = 3

# A completion that is kept for a front end that waits for it.
DONE_CYCLE = 0
DONE_ADDRESS = 1
DONE_REQUESTS = 2  # that it completes: reads of one address can share a command
DONE_FIELDS = 3

# A request whose latency is kept, not only counted.
KEPT_REQUEST = 0
KEPT_HOW = 1
KEPT_STAMP = 2  # of a read that others joined: the sum of all their stamps
KEPT_END = 3  # when it is done; of one that joined another: that one's number
KEPT_FIELDS = 4

# How it was served: by a command of its own, by another request's, or from a waiting write.
OWN_READ = 0
OWN_WRITE = 1
JOINED_READ = 2
JOINED_WRITE = 3
FORWARDED_READ = 4

# The front end.
ACCEPTED_AT = 0  # cycle of the last acceptance
ACCEPTED_THEN = 1  # requests accepted in that cycle
REFUSED_CYCLES = 2  # cycles in which a due request found no room, holding up all later ones
NEXT_REQUEST = 3  # number of the next one that is accepted
FRONT_FIELDS = 4

BUCKET_BITS = 9
NO_SLOT = -1
NO_POSITION = 64

# What does not change in a run (int64 each): `rules`.
QUEUE_SIZE = 0  # entries of a command queue
QUEUE_WIDTH = 1  # array elements of a command queue
QUEUE_BLOCKS = 2
TRANS_SIZE = 3  # entries of the read queue, and of the write buffer
SEPARATE = 4  # 0: one transaction queue for reads and writes
DUAL = 5  # 1: two commands a cycle, one of them a column command
READ_DELAY = 6
WRITE_DELAY = 7
MERGE = 8
INJECT = 9
LAST_CYCLE = 10  # last cycle simulated
DRAINED = 11  # 1: no last cycle, the run ends when all is served
LOG_SIZE = 12  # commands that the log holds; 0: none are logged
FOLLOW_DEFECTS = 13  # 1: lose reads and stand still where DRAMsim3 does
DONE_SIZE = 14  # completions that are kept until the front end asks, as many as can be under way; 0: none is
KEPT_LIMIT = 15  # requests that may be kept, and a few more, until they are taken; NEVER: none is
KEEP_ALL = 16  # 1: every request is kept; 0: only those that share a command
# ... in the general kernel only,
N_QUEUES = 17  # command queues
LANES_PER_QUEUE = 18
CLOSE_PAGE = 19
SELF_REFRESH = 20
SREF_THRESHOLD = 21
N_RULES = 22

# Shifts and masks of a byte address: `fields`.
CHANNEL_AT = 0
CHANNEL_MASK = 1
RANK_AT = 2
RANK_MASK = 3
GROUP_AT = 4
GROUP_MASK = 5
BANK_AT = 6
BANK_MASK = 7
ROW_AT = 8
ROW_MASK = 9
COLUMN_AT = 10
COLUMN_MASK = 11
LANES_PER_RANK = 12
LANES_PER_GROUP = 13
N_FIELDS = 14
