"""Integer codes that kernels and their callers share."""

# Commands, numbered as in the hashes of `tests/golden`
# and named by `ppim.dram.timing.COMMANDS`.
READ = 0
READ_P = 1  # with auto-precharge
WRITE = 2
WRITE_P = 3
ACTIVATE = 4
PRECHARGE = 5
REFRESH_BANK = 6
REFRESH = 7  # of a whole rank
SELF_REFRESH_ENTER = 8
SELF_REFRESH_EXIT = 9
N_COMMANDS = 10

# Columns of a command that an engine keeps.
LOG_CYCLE = 0
LOG_COMMAND = 1
LOG_LANE = 2
LOG_ROW = 3
LOG_COLUMN = 4
LOG_FIELDS = 5

NO_COMMAND = -1
NO_ROW = -1
NO_LANE = -1

# "Never" for cycles kept as int64; far enough from the limits that distances can be added.
NEVER = 1 << 62
