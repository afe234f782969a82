"""The one OpenVINO core of a process, which lives as long as it.

OpenVINO's CPU plugin gives the thread that makes it a stack for signal handlers, and takes it away when its core goes. With
two cores that do not go in the reverse order of their making, the thread keeps a stack that is no longer there, and the next
signal that Python handles (Ctrl-C, say) ends the process with a segmentation fault (seen with OpenVINO 2026.4.1).
"""

from functools import cache

import openvino as ov

# The first call looks NumPy's types up. Two threads that make it at once wait for each other for ever: one has the lock of
# the table and waits for the interpreter's, the other has that and waits for the table's (seen with OpenVINO 2026.4.1). An
# import is done by one thread.
ov.Type.f32.to_dtype()


@cache
def core() -> ov.Core:
    """The core. Graphs and weights are read into memory, not mapped, so their files may go."""
    made = ov.Core()
    made.set_property({"ENABLE_MMAP": False})
    return made
