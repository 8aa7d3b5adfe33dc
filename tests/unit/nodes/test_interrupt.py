"""Interrupts that come where Python drops them are not lost."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import signal
from cluster.nodes import interrupt

class Finalizer:
    def __del__(self):
        signal.raise_signal(signal.{name})

interrupt.listen()
interrupt.check()
Finalizer()
print("dropped", flush=True)
try:
    interrupt.check()
except KeyboardInterrupt:
    print("remembered")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_python_drops_is_remembered(number: signal.Signals) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(name=number.name)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "dropped\nremembered\n")
