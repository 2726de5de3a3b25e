# SPDX-License-Identifier: Apache-2.0
"""Every builder as a command: `python3 cowd.py FOLDER [CASE...]` makes FOLDER/CASE/disk.vmdk, the
files that belong to it, and FOLDER/CASE/expected.raw; without FOLDER it lists its cases."""

import argparse
import json
from pathlib import Path


def build(cases, name, folder):
    """Makes one case in its own folder and returns what it describes: a Link, or a Refused."""
    place = Path(folder) / name
    place.mkdir(parents=True)
    return cases[name](place)


def facts(name, made):
    told = {"name": name, "path": str(made.path)}
    told |= {key: getattr(made, key) for key in ("culprit", "says") if hasattr(made, key)}
    return told


def arguments(about):
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--manifest", action="store_true",
                        help="tell what was made as JSON, and write no expected.raw")
    parser.add_argument("folder", nargs="?", help="where to make them; without it: list the cases")
    parser.add_argument("case", nargs="*", help="only these")
    return parser.parse_args()


def main(cases, about):
    args = arguments(about)
    if not args.folder:
        print("\n".join(cases))
        return
    made = {name: build(cases, name, args.folder) for name in args.case or cases}
    if args.manifest:
        print(json.dumps([facts(name, one) for name, one in made.items()]))
        return
    for name, one in made.items():
        if hasattr(one, "disk"):
            one.disk.write(Path(args.folder) / name / "expected.raw")
        print(one.path)
