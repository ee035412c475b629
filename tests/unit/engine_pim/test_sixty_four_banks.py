"""A channel of 64 banks: the last one's bit is the sign of a mask, compiled or not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ppim

PROGRAM = "import sys, ppim; print(ppim.simulate(sys.argv[1], 'recnmp').cycles)"


@pytest.mark.parametrize("disabled", ["0", "1"])
def test_plain_python_takes_the_last_bank_too(tmp_path: Path, disabled: str) -> None:
    trace = tmp_path / "trace.parquet"
    ppim.generate_trace("synthetic", output=trace, algorithm="qr", max_samples=16, tables="0,1,2,3")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(trace)],
        env={**os.environ, "NUMBA_DISABLE_JIT": disabled},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) == ppim.simulate(trace, "recnmp").cycles
