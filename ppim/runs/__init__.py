"""Runs: a trace through a system (`simulate`), requests or a program (`replay_*`); `*_files` from file to files."""
