"""What a command in a pod starts as: it ties itself to the node's life and to its terminal, and becomes the command.

Run as a file of its own, without the package, so that it costs as little as a Python can: `enter.py [--tty] -- command …`.
"""

import ctypes
import fcntl
import os
import signal
import sys
import termios


def main() -> None:
    options, command = sys.argv[1 : sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1 :]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if "--tty" in options:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and what is ignored stays so in the command
    try:
        os.execvp(command[0], command)
    except FileNotFoundError:
        _end(127, f'exec: "{command[0]}": executable file not found in $PATH')
    except OSError as error:
        _end(126, f'exec: "{command[0]}": {error.strerror}')


def _end(code: int, message: str) -> None:
    os.write(2, f"{message}\n".encode())
    os._exit(code)


main()
