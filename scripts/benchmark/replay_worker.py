"""Requests through the host engine of whatever `ppim` is found: python replay_worker.py REQUESTS.npz DEVICE REPEATS."""

import json
import sys
import time

import numpy as np

from ppim.dram.load import load_device
from ppim.engine.host import HostReplay


def main(path: str, name: str, repeats: str) -> None:
    """Print the least processor time, s, of some drained runs, their cycles and commands."""
    with np.load(path) as file:
        requests = file["address"], file["is_write"], file["cycle"]
    device, best = load_device(name), float("inf")
    for _ in range(int(repeats) + 1):  # the first one loads the kernels
        start = time.process_time()
        run = HostReplay(device)
        run.feed(*requests)
        result = run.finish()
        best = min(best, time.process_time() - start)
    sys.stdout.write(
        json.dumps({"seconds": best, "cycles": result.cycles, "commands": int(result.commands.sum())})
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
