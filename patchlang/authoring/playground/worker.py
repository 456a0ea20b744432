"""The process that answers: python -m patchlang.authoring.playground.worker SECONDS

Requests come on standard input: a line with a name and the size of the body, then the body. Answers go to standard
output: a line with the status and the size, then the JSON. A request that takes longer than SECONDS ends the process.
"""

from __future__ import annotations

import os
import signal
import sys

from .answers import answer


def main(seconds: float) -> None:
    """Answer requests until standard input ends."""
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # anything that is printed by mistake is not an answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the server, which stops this process
    while head := requests.readline():
        name, size = head.decode().split()
        body = requests.read(int(size))
        signal.setitimer(signal.ITIMER_REAL, seconds)  # its signal stops this process even while no Python code runs
        status, data = answer(name, body)
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(f"{int(status)} {len(data)}\n".encode() + data)
        answers.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]))
