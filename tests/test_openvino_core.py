"""What OpenVINO does not do by itself: begin in several threads at once."""

import subprocess
import sys

BEGIN = """
import faulthandler, os, sys, threading
import superfine.openvino_core
import openvino

sys.setswitchinterval(1e-6)

def begin():
    barrier.wait()
    openvino.Type.f32.to_dtype()

for _ in range(5):
    if child := os.fork() if hasattr(os, "fork") else 0:
        assert not os.waitpid(child, 0)[1]
        continue
    faulthandler.dump_traceback_later(20, exit=True)  # where threads wait for each other
    barrier = threading.Barrier(4)
    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os._exit(0)
"""


def test_threads_that_begin_at_once_do_not_wait_for_ever() -> None:
    """Without the call at the import, three of four such processes hang; five are forked off one that has imported all."""
    subprocess.run([sys.executable, "-c", BEGIN], check=True, timeout=60)
