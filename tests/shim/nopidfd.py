"""sidecar-shim on a kernel without pidfds (before 5.3), or where a container's filter refuses them."""

from __future__ import annotations

import errno
import os
import sys

from shim.__main__ import main


def _refused(pid: int, flags: int = 0) -> int:
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


if os.environ.get("PIDFD") == "refused":
    setattr(os, "pidfd_open", _refused)  # noqa: B010
else:
    delattr(os, "pidfd_open")

if __name__ == "__main__":
    sys.exit(main())
