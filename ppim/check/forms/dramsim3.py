"""DRAMsim3's command traces, and this project's, which has its command names.

DRAMsim3 pads its columns, writes rows and columns in hexadecimal, and gives precharges and activates the row and column
of the request that waits. Ours leaves out the channel, for which there is a file each.
"""

from ppim.check import commands, form

NAMES = {name: name for name in commands.KINDS if name != "precharge_all"}
PLACE = ("rank", "bankgroup", "bank", "row", "column")
OURS = form.Grammar(("cycle", "kind", *PLACE), NAMES, least_words=7, columns_are_bursts=True)
THEIRS = form.Grammar(("cycle", "kind", "channel", *PLACE), NAMES, least_words=8, columns_are_bursts=True)


def _grammar(grammar: form.Grammar, line: bytes) -> form.Grammar | None:
    words = line.split()
    fits = len(words) == grammar.least_words and words[0].isdigit() and words[1].decode("latin-1") in NAMES
    return grammar if fits else None


form.FORMS.register("ppim")(
    form.TraceForm("ppim", "CYCLE COMMAND RANK BANKGROUP BANK ROW COLUMN", lambda line: _grammar(OURS, line))
)
form.FORMS.register("dramsim3")(
    form.TraceForm(
        "dramsim3",
        "CYCLE COMMAND CHANNEL RANK BANKGROUP BANK ROW COLUMN",
        lambda line: _grammar(THEIRS, line),
    )
)
