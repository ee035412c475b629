"""All rows of a table's prefetched subtables, before each of its turns.

Source: github YoungsukKim12/dlrm and DRAMsim3 (their trace's PR instructions; docs/model.md §1).
"""

from ppim.prefetch.base import PREFETCHES, Phase, PrefetchPolicy

PREFETCHES.register("table")(PrefetchPolicy("the next table's rows at each turn", Phase.EACH_TURN))
