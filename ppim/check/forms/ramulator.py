"""Ramulator's command traces: those of version 2 (CmdTraceRecorder), and the two of version 1.

Version 2 writes a header that names the levels of the memory; version 1 prints `ACT  12:  0 0 1 5 77 0`, or records
`12,ACT,5` into a file for each rank, without rows. A precharge of all banks is one command.
"""

import re

from ppim.check.form import FORMS, Grammar, TraceForm

KINDS = {
    "ACT": "activate",
    "PRE": "precharge",
    "PREpb": "precharge",
    "PREA": "precharge_all",
    "PREab": "precharge_all",
    "RD": "read",
    "RDA": "read_p",
    "WR": "write",
    "WRA": "write_p",
    "REF": "refresh",
    "REFab": "refresh",
    "REFpb": "refresh_bank",
    "REFPB": "refresh_bank",
    "SREF": "self_refresh_enter",
    "SREFX": "self_refresh_exit",
}
LEVELS = {
    "Channel": "channel",
    "PseudoChannel": "pseudochannel",
    "Rank": "rank",
    "Sid": "stack",
    "BankGroup": "bankgroup",
    "Bank": "bank",
    "Row": "row",
    "Column": "column",
}
PRINTED = re.compile(rb"\s*[A-Z]+\s+\d+:(\s+-?\d+){5,6}\s*")
RECORDED = re.compile(rb"\d+,[A-Z]+(,\d+)?\s*")
WITH_GROUPS = 6  # levels


def _version_2(line: bytes) -> Grammar | None:
    names = line.decode("latin-1").strip().split(",")
    if names[:2] != ["clock", "command"]:
        return None
    words = ("cycle", "kind", *(LEVELS.get(name, "ignored") for name in names[2:]))
    return Grammar(words, KINDS, least_words=len(words), skip_lines=1)


def _printed(line: bytes) -> Grammar | None:
    if not PRINTED.fullmatch(line):
        return None
    levels = len(line.replace(b":", b" ").split()) - 2
    group = ("bankgroup",) if levels == WITH_GROUPS else ()
    words = ("kind", "cycle", "channel", "rank", *group, "bank", "row", "column")
    return Grammar(words, KINDS, least_words=len(words))


def _recorded(line: bytes) -> Grammar | None:
    if not RECORDED.fullmatch(line):
        return None
    return Grammar(("cycle", "kind", "bank"), KINDS, least_words=2)


FORMS.register("ramulator2")(TraceForm("ramulator2", "clock,command,Channel,Rank,...", _version_2))
FORMS.register("ramulator-printed")(TraceForm("ramulator-printed", "ACT CYCLE: 0 0 1 5 77 0", _printed))
FORMS.register("ramulator-recorded")(TraceForm("ramulator-recorded", "CYCLE,ACT,BANK", _recorded))
