"""The engine of every system: cycle by cycle, in one order of time, from event to event."""
