"""Search of a design space: the Pareto front of time or energy, SRAM bytes and copied bytes (docs/explore.md).

`space`: the file to parameters and their values. `designs`: values to a system that can be run, and what it costs.
`front`: which designs no other one is better than. `propose`: what to try next. `course`: what is run, on how much of the
trace. `tables`: what comes out. `door`: all of it.
"""
