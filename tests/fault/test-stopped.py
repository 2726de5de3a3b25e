#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""SIGINT, SIGTERM and SIGHUP before the n-th change a command makes, for many n: it either says that
it was interrupted, and everything is as it was, or it was done already.

    test-stopped.py VDISK SIGNAL-AT
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from commands import (COMMANDS, check_new, check_old, copy_disks, equal, expect, make_disks,
                      one_sentence, run, SANITIZED)
from tap import memory, plan

SIGNAL_AT = str(Path(sys.argv[2]).resolve())
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
POINTS = 3 if SANITIZED else 7


def run_with(command, folder, number, at, log):
    """Stops the command before change `at`; that many it would make in all, when that is 0."""
    environment = dict(os.environ, LD_PRELOAD=SIGNAL_AT, VD_SIGNAL=str(int(number)),
                       VD_SIGNAL_AT=str(at), VD_SIGNAL_LOG=str(log), VD_SIGNAL_ZEROS="1",
                       ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") +
                       ":verify_asan_link_order=0")
    return run(*command.words, cwd=folder, env=environment, stdout=subprocess.PIPE)


def points(total):
    """From the first to the last, closer at both ends, where files come and go."""
    spread = {1 + (total - 1) * i // (POINTS - 1) for i in range(POINTS)}
    if SANITIZED:
        return sorted(spread)
    return sorted(spread | {n for n in (2, 3, total - 2, total - 1) if 1 <= n <= total})


def stop(folder, command, template):
    log = folder / "log"
    disks = folder / "disks"
    disks.mkdir()
    copy_disks(template, disks)
    result = run_with(command, disks, 0, 0, log)
    equal(result.returncode, 0, f"unstopped, it said {result.stderr.decode()!r}")
    total = int(log.read_text())
    stopped = 0
    for count, at in enumerate(points(total)):
        number = SIGNALS[count % len(SIGNALS)]
        for path in disks.iterdir():
            path.unlink()
        copy_disks(template, disks)
        result = run_with(command, disks, number, at, log)
        if result.returncode == 0:
            check_new(command, disks)
            continue
        one_sentence(result, f"interrupted by {number.name}")
        check_old(command, template, disks)
        stopped += 1
    print(f"# {command.name}: {total} changes, stopped {stopped} of {count + 1} times")
    expect(stopped > 0, "it never stopped")


def main():
    with tempfile.TemporaryDirectory(prefix="vdisk-stopped-", dir=memory()) as name:
        template = Path(name)
        make_disks(template)
        with plan(memory()) as tap:
            for command in COMMANDS:
                if not command.quick:
                    tap.case(command.name, stop, command, template)


main()
