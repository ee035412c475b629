"""The engine of systems whose units meet only in their rank's ACTIVATEs: unit by unit, three times as fast (docs/performance-log.md)."""
