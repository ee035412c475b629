"""The fast engine, for systems whose units meet only in their rank's ACTIVATEs (docs/performance.md)."""
