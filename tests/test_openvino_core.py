"""What OpenVINO does not do by itself: begin in several threads at once."""

import subprocess
import sys

BEGIN = """
import sys, threading
import superfine.openvino_core
import openvino

sys.setswitchinterval(1e-6)
barrier = threading.Barrier(4)

def begin():
    barrier.wait()
    openvino.Type.f32.to_dtype()

threads = [threading.Thread(target=begin, daemon=True) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(20)
    assert not thread.is_alive(), "the threads wait for each other"
"""


def test_threads_that_begin_at_once_do_not_wait_for_ever() -> None:
    """Without the call at the import, three of four such processes hang."""
    for _ in range(5):
        subprocess.run([sys.executable, "-c", BEGIN], check=True, timeout=60)
