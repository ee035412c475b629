"""Studies of many runs: a plan from a TOML file, worked off by processes that stay alive, kept so that it can go on.

`plan`: the file to runs. `identity`: what a run or trace depends on, as a hash. `store`: the folder of a sweep. `work`: what one
process does. `runner`: who does what, when. `tables`: what comes out.
"""
