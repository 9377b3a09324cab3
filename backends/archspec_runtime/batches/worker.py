"""A process that reads images: `python -m archspec_runtime.batches.worker SOCKET MEMORY`, started by `workers`.

It gets a reader and a layout, then tasks (slot, start, stop, epoch) until the other end is closed, and answers each with the
same task and what it has to say, or with an error.
"""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing.connection import Connection

from archspec_runtime.errors import RunError
from archspec_runtime.images.libraries import optional


def main(socket: int, memory: int) -> None:
    """Serve until the other end is closed."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the trainer finishes its step, for which it needs its images
    if (cv2 := optional("cv2")) is not None:
        cv2.setNumThreads(0)
    connection = Connection(socket)
    try:
        reader, layout, number = connection.recv()
        arrays = layout.arrays(memory)
        while True:
            slot, start, stop, epoch = task = connection.recv()
            said: list[str] = []
            try:
                for row in range(start, stop):
                    index = int(arrays["index"][slot, row])
                    arrays["doing"][number] = index
                    arrays["used"][slot, row], new = reader.read(
                        index, epoch, int(arrays["position"][slot, row]),
                        arrays["pixels"][slot, row], arrays["shift"][slot, row],
                    )  # fmt: skip
                    said += new
            except RunError as error:
                connection.send((task, said, error))
            else:
                connection.send((task, said, None))
    except (EOFError, ConnectionError):  # the trainer has what it wanted, or is no more
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
