"""DRAMsim3's trace format: `0xADDRESS READ|WRITE CYCLE`."""

from ppim.requests import base, parse

GRAMMAR = parse.Grammar(
    line="0xADDRESS READ|WRITE CYCLE",
    reads=("READ", "read", "P_MEM_RD", "P_FETCH"),
    writes=("WRITE", "write", "P_MEM_WR", "BOFF"),
    word_first=False,
    has_cycle=True,
    always_hex=True,
)
"""DRAMsim3 takes every word that is none of the writes for a read; here an unknown one is an error."""


def _recognises(words: list[bytes]) -> bool:
    return len(words) == 3 and words[2].isdigit() and not words[1][:1].isdigit()


base.FORMATS.register("dramsim3")(
    base.RequestFormat("dramsim3", GRAMMAR.line, _recognises, lambda path: parse.parse_file(path, GRAMMAR))
)
