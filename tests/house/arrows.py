#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""arrows.py BUILD_DIR: who may include what, proved on the compiler. Speaks TAP.

For every pair of floors a one-line file that includes a header of the one is compiled with the
flags the build uses for the other. It must compile exactly where MAY_USE has the arrow.
"""
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Bottom to top; each floor with the floors below that it may include. ARCHITECTURE.md draws it.
MAY_USE = {
    "base": [],
    "block": ["base"],
    "codec": ["base"],
    "net": ["base"],
    "disk": ["base", "block"],
    "nfc": ["base", "block", "codec", "disk", "net"],
    "vsphere": ["base", "block", "codec", "disk", "net", "nfc"],
    "vmdk": ["base", "block", "codec", "disk"],
    "transport": ["base", "block", "codec", "disk", "net", "nfc", "vmdk", "vsphere"],
    "ops": ["base", "block", "codec", "disk", "vmdk"],
    "vdisk": ["base", "block", "codec", "disk", "net", "nfc", "vmdk", "vsphere", "transport", "ops"],
    "vix": ["base", "block", "codec", "disk", "net", "nfc", "vmdk", "vsphere", "transport", "ops"],
}


def include_flags(build):
    """{floor: the -I flags of its sources}, as the build has them."""
    said = subprocess.run(["meson", "introspect", "--targets", build], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    flags = {}
    for target in json.loads(said):
        folder = os.path.relpath(os.path.dirname(target["defined_in"]), ROOT)
        if os.path.dirname(folder) != "src":
            continue
        for group in target["target_sources"]:
            if group.get("language") == "c":
                flags.setdefault(os.path.basename(folder), set()).update(
                    flag for flag in group["parameters"] if flag.startswith("-I"))
    return flags


def a_header_of(floor):
    folder = os.path.join(ROOT, "src", floor)
    names = sorted(name for name in os.listdir(folder)
                   if name.endswith(".h") and not name.endswith("-int.h"))
    return f"{floor}/{names[0]}" if names else None


def compiles(compiler, flags, header, build):
    with tempfile.TemporaryDirectory() as folder:
        probe = os.path.join(folder, "probe.c")
        with open(probe, "w", encoding="ascii") as file:
            file.write(f'#include "{header}"\n')
        ran = subprocess.run([compiler, "-std=gnu17", "-D_GNU_SOURCE", "-fsyntax-only",
                              *sorted(flags), probe], cwd=build, capture_output=True, text=True,
                             check=False)
    return ran.returncode == 0, ran.stderr


class Tap:
    def __init__(self):
        self.count = 0
        self.failed = 0

    def tell(self, good, what, why=""):
        self.count += 1
        self.failed += not good
        for line in [] if good else why.splitlines():
            print(f"# {line}")
        print(f"{'ok' if good else 'not ok'} {self.count} - {what}")

    def skip(self, what, reason):
        self.count += 1
        print(f"ok {self.count} - {what} # SKIP {reason}")


def check_pair(tap, lower, upper, flags, compiler, build):
    """May a source of `lower` include a header of `upper`?"""
    header = a_header_of(upper)
    allowed = upper in MAY_USE[lower] or upper == lower
    what = f"{lower} {'may' if allowed else 'cannot'} include {upper}"
    if header is None:
        if upper != lower:
            tap.tell(True, f"{what} (it offers no header)")
        return
    good, said = compiles(compiler, flags, header, build)
    if good == allowed:
        tap.tell(True, what)
    else:
        tap.tell(False, what, said or f'"{header}" can be included; see src/{lower}/meson.build')


def main():
    build = os.path.abspath(sys.argv[1])
    compiler = sys.argv[2]
    flags = include_flags(build)
    tap = Tap()
    floors = sorted(name for name in os.listdir(os.path.join(ROOT, "src"))
                    if os.path.isdir(os.path.join(ROOT, "src", name)))
    tap.tell(floors == sorted(MAY_USE), "every floor has its row in this test",
             f"src/ has {floors}, the test knows {sorted(MAY_USE)}")
    for lower in MAY_USE:
        if lower not in flags:
            tap.skip(f"{lower} includes only what it may", "the floor has no source yet")
            continue
        for upper in MAY_USE:
            check_pair(tap, lower, upper, flags[lower], compiler, build)
    print(f"1..{tap.count}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
