"""Figures for papers: one file a kind, found by its name. `source` reads results, `style` is what all kinds share."""
