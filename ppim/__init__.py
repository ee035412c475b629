"""Trace-driven simulator of processing-in-memory for embedding layers with weight sharing."""

__version__ = "0.1.0"
