# SPDX-License-Identifier: Apache-2.0
"""A person at a terminal: types into a program and reads its screen."""
import errno
import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time

from screen import Screen


class Terminal:
    def __init__(self, arguments, environment, columns=80, rows=24):
        self.main, child = os.openpty()
        self.screen = Screen(columns)
        self.resize(columns, rows)
        self.process = subprocess.Popen(arguments, stdin=child, stdout=child, stderr=child,
                                        env=dict(environment, TERM="xterm", HOME="/nonexistent"),
                                        start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(child)
        self.bytes = b""

    def resize(self, columns, rows):
        self.screen.columns = columns
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.main, text.encode())

    def read(self, timeout_s):
        """What the program writes within the time; False at its end."""
        if not select.select([self.main], [], [], timeout_s)[0]:
            return True
        try:
            self.bytes += os.read(self.main, 65536)
        except OSError as error:
            if error.errno == errno.EIO:
                return False
            raise
        # A character may be cut in two by the read.
        text = self.bytes.decode("utf-8", "ignore")
        self.bytes = self.bytes[len(text.encode()):]
        self.screen.feed(text)
        return True

    def wait_for(self, condition, what, timeout_s=20):
        """Until condition(the screen's lines) holds."""
        deadline = time.monotonic() + timeout_s
        while not condition(self.screen.lines()):
            if time.monotonic() > deadline or not self.read(0.05):
                raise AssertionError(f"waited in vain for {what}; the screen is\n" +
                                     self.screen.text())

    def wait_for_line(self, end):
        """Until the screen has a line that ends like this."""
        self.wait_for(lambda lines: any(line.endswith(end) for line in lines), repr(end))

    def wait_for_last(self, last):
        """Until the last line is exactly this, with the cursor behind it."""
        self.wait_for(lambda lines: lines[-1] == last.rstrip(), repr(last))

    def leave(self, timeout_s=20):
        """Read to the end. @return the exit code"""
        deadline = time.monotonic() + timeout_s
        while self.read(0.05):
            if time.monotonic() > deadline:
                raise AssertionError("the program does not end; the screen is\n" +
                                     self.screen.text())
        return self.process.wait(timeout_s)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.main)
