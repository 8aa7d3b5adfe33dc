"""A guarded process ends with the process that guards it."""

import os
import select
import signal
import subprocess
import sys

from deployments.models.guard import Guard

PARENT = """
import subprocess, sys, time
from deployments.models.guard import Guard
child = subprocess.Popen(["sleep", "1000"])
Guard([child.pid])
print(child.pid, flush=True)
time.sleep(1000)
"""


def test_a_killed_parent_takes_its_children_along():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        watch = os.pidfd_open(child)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert select.select([watch], [], [], 60)[0]  # readable when the child has ended
    os.close(watch)


def test_a_dismissed_guard_kills_nobody():
    with subprocess.Popen(["sleep", "1000"]) as child:
        guard = Guard([child.pid])
        guard.dismiss()
        assert child.poll() is None
        child.kill()
