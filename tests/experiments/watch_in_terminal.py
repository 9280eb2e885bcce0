#!/usr/bin/env python3
"""Runs `unlazy watch` in a terminal of its own: it draws, follows the window's size and the run, and ends at Ctrl-C.

usage: watch_in_terminal.py PROGRAM RUN
"""
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time

PATIENCE = 60  # seconds until something that must come is given up


def set_size(terminal, columns, rows):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def read_until(terminal, is_enough, what):
    """What the program writes until `is_enough(text)`."""
    text, end = "", time.monotonic() + PATIENCE
    while not is_enough(text):
        if time.monotonic() > end:
            sys.exit(f"no {what} in {PATIENCE} s; it wrote:\n{text[-2000:]!r}")
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                text += os.read(terminal, 65536).decode(errors="replace")
            except OSError:  # the program has ended
                return text
    return text


def frames(text):
    """The frames in `text`, without escape codes, as lists of lines."""
    plain = [re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", part) for part in text.split("\033[H")[1:]]
    return [part.split("\r\n") for part in plain]


def main():
    program, run = sys.argv[1:]
    child, terminal = pty.fork()
    if child == 0:
        time.sleep(0.3)  # until the window has its size
        os.execv(program, [program, "watch", run, "--every", "0.2"])
    set_size(terminal, 80, 20)
    text = read_until(terminal, lambda t: "\033[J" in t, "frame")
    assert text.startswith("\033[?1049h"), f"no screen of its own: {text[:40]!r}"
    frame = frames(text)[0]
    assert len(frame) <= 20 and max(map(len, frame)) <= 80, frame
    assert any(0x2800 < ord(letter) <= 0x28FF for line in frame for letter in line), "no braille"

    set_size(terminal, 130, 36)  # the terminal sends SIGWINCH
    read_until(terminal, lambda t: any(80 < max(map(len, f)) <= 130 and len(f) <= 36 for f in frames(t)), "wider frame")

    with open(f"{run}/metrics.csv", "a") as table:
        table.write("55,11,test_accuracy,0.777\n")
    read_until(terminal, lambda t: "test_accuracy 0.777" in re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", t), "new value")

    os.write(terminal, b"\x03")
    rest = read_until(terminal, lambda t: False, "end")
    assert rest.endswith("\033[?25h\033[?1049l"), f"the terminal is left as it was: {rest[-60:]!r}"
    status = os.waitpid(child, 0)[1]
    assert os.waitstatus_to_exitcode(status) == 130, status


main()
