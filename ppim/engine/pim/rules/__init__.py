"""The rules of docs/model.md, one concept a file, for both engines: small helpers that are inlined into either.

An engine says when (cycle by cycle, or unit by unit); a rule says what. Rules take plain numbers or the tables
of `ppim.engine.pim.state`, which both engines have.
"""
