"""The engine of every system: all units of a channel cycle by cycle, from event to event."""
