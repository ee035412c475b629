"""PIM mode: instructions for PIM units on the same banks, timing and refresh as host mode (docs/model.md)."""
