#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/run-suite, tested: what CI counts is what happened. Speaks TAP."""
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# suite, name, protocol, script
PROGRAMS = [
    ("good", "three", "tap", "echo 1..3; echo ok 1 - a; echo 'ok 2 - b # SKIP no tool'; echo ok 3"),
    ("good", "plain", "exitcode", "exit 0"),
    ("good", "none", "tap", "echo '1..0 # SKIP no samples'"),
    ("good", "skipped", "exitcode", "echo no network; exit 77"),
    ("says", "not-ok", "tap", "echo 1..2; echo '# found 3'; echo not ok 1 - a; echo ok 2; exit 1"),
    ("crash", "crash", "tap", "echo 1..3; echo ok 1 - a; kill -SEGV $$"),
    ("short", "short", "tap", "echo 1..3; echo ok 1 - a"),
    ("status", "status", "exitcode", "echo the reason; exit 3"),
    ("slow", "slow", "exitcode", "sleep 60"),
]
# suites asked for, then the tally (passed, failed, skipped), the exit status, and what must be told
CASES = [
    (["good"], (3, 0, 3), 0, ["good / three: b: no tool", "no samples", "no network"]),
    (["says"], (1, 1, 0), 1, ["FAILED: says / not-ok", "# found 3"]),
    (["crash"], (1, 1, 0), 1, ["killed by signal 11"]),
    (["short"], (1, 1, 0), 1, ["FAILED: short / short"]),
    (["status"], (0, 1, 0), 1, ["ended with status 3", "the reason"]),
    (["slow"], (0, 1, 0), 1, ["took longer"]),
    (["good", "missing"], (3, 1, 3), 1, ["suite missing: has no test"]),
    (["missing"], (0, 2, 0), 1, ["ran nothing"]),
]


def make_project(folder):
    lines = ["project('x')", "sh = find_program('sh')"]
    for suite, name, protocol, script in PROGRAMS:
        quoted = script.replace("'", "\\'")
        lines.append(f"test('{name}', sh, args: ['-c', '{quoted}'], suite: '{suite}',"
                     f" protocol: '{protocol}', timeout: 2)")
    with open(os.path.join(folder, "meson.build"), "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    build = os.path.join(folder, "build")
    subprocess.run(["meson", "setup", build, folder], check=True, stdout=subprocess.DEVNULL)
    return build


def check_case(build, suites, tally, status, told):
    """None when the run was counted and told rightly, else what is wrong."""
    file = os.path.join(build, "tally")
    if os.path.exists(file):
        os.unlink(file)
    ran = subprocess.run([os.path.join(ROOT, "tools", "run-suite"), "--tally", file, "x", build,
                          *suites], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         check=False)
    with open(file, encoding="ascii") as lines:
        counted = tuple(map(int, lines.read().split()))
    if (counted, ran.returncode) != (tally, status):
        return f"counted {counted}, status {ran.returncode}; expected {tally}, {status}\n{ran.stdout}"
    missing = [words for words in told if words not in ran.stdout]
    return f"did not tell {missing}:\n{ran.stdout}" if missing else None


def main():
    failed = False
    print(f"1..{len(CASES)}")
    with tempfile.TemporaryDirectory() as folder:
        build = make_project(folder)
        for number, (suites, tally, status, told) in enumerate(CASES, 1):
            wrong = check_case(build, suites, tally, status, told)
            failed = failed or wrong is not None
            for line in (wrong or "").splitlines():
                print(f"# {line}")
            print(f"{'not ' if wrong else ''}ok {number} - counts the suites {', '.join(suites)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
