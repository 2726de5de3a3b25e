# SPDX-License-Identifier: Apache-2.0
"""Every builder as a command: `python3 cowd.py FOLDER [CASE...]` makes FOLDER/CASE/disk.vmdk, the
files that belong to it, and FOLDER/CASE/expected.raw; without FOLDER it lists its cases."""

import argparse
from pathlib import Path


def build(cases, name, folder):
    """Makes one case in its own folder and returns the Link it describes."""
    place = Path(folder) / name
    place.mkdir(parents=True)
    return cases[name](place)


def main(cases, about):
    parser = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", help="where to make them; without it: list the cases")
    parser.add_argument("case", nargs="*", help="only these")
    args = parser.parse_args()
    if not args.folder:
        print("\n".join(cases))
        return
    for name in args.case or cases:
        made = build(cases, name, args.folder)
        disk = getattr(made, "disk", None)
        if disk:
            disk.write(Path(args.folder) / name / "expected.raw")
        print(made.path)
