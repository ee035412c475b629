"""Into self refresh, and out of it (host-controller.md §10)."""

from ppim.check.constraint import Constraint

AFTER_EXIT = ("activate", "refresh", "refresh_bank", "self_refresh_enter")

CONSTRAINTS = (
    Constraint("tCKESR", ("self_refresh_enter",), ("self_refresh_exit",), ("whole rank",), "tCKESR"),
    Constraint("tXS", ("self_refresh_exit",), AFTER_EXIT, ("whole rank",), "tXS"),
)
