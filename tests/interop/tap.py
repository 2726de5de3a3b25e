# SPDX-License-Identifier: Apache-2.0
"""TAP for the scripts of this folder: one line per case, the reason of a failure below it."""

import os
import shutil
import sys
import tempfile
import time
import traceback
from contextlib import contextmanager
from pathlib import Path


ROOM = 1 << 30
SLOW = 2  # seconds after which a case tells its time


class Failed(Exception):
    """A case does not hold; the text says why."""


class Skipped(Exception):
    """A case that has nothing to say here; the text says why."""


class Tap:
    def __init__(self, place):
        self.count = 0
        self.failures = 0
        self.began = time.monotonic()
        self.folder = Path(tempfile.mkdtemp(prefix="vdisk-interop-", dir=place))

    def case(self, name, body, *args, **options):
        """Runs `body(folder, ...)` in a folder of its own, which is removed afterwards."""
        self.count += 1
        folder = self.folder / f"case-{self.count}"
        folder.mkdir()
        began = time.monotonic()
        try:
            body(folder, *args, **options)
            print(f"ok {self.count} - {name}", flush=True)
        except Skipped as reason:
            print(f"ok {self.count} - {name} # SKIP {reason}", flush=True)
        except Exception as error:  # a broken peer or builder is a failure of the case, too
            self.failures += 1
            print(f"not ok {self.count} - {name}", flush=True)
            self.explain(error)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        seconds = time.monotonic() - began
        if seconds > SLOW:
            print(f"# {seconds:.1f} s", flush=True)

    def explain(self, error):
        text = str(error) if isinstance(error, Failed) else "".join(
            traceback.format_exception(error))
        for line in text.splitlines():
            print(f"# {line}", flush=True)

    def skip(self, name, reason):
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP {reason}", flush=True)

    def done(self):
        print(f"1..{self.count}")
        print(f"# {self.failures} of {self.count} failed, {time.monotonic() - self.began:.1f} s")
        shutil.rmtree(self.folder, ignore_errors=True)
        return 1 if self.failures else 0


def memory():
    """A folder in memory, where syncing costs nothing; None where there is none with room."""
    place = "/dev/shm"
    if "TMPDIR" in os.environ or not os.access(place, os.W_OK):
        return None
    return place if shutil.disk_usage(place).free >= ROOM else None


@contextmanager
def plan(place=None):
    """The whole script; leaves by exit. Its files lie in `place`, else where temporary ones do."""
    tap = Tap(place)
    try:
        yield tap
    finally:
        status = tap.done()
    sys.exit(status)


def expect(condition, why):
    if not condition:
        raise Failed(why)


def equal(found, wanted, what):
    if found != wanted:
        raise Failed(f"{what}: found {found!r}, expected {wanted!r}")
