#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The style gates, tested: each must find a planted fault and pass its mended form. Speaks TAP."""
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"


def body(statements):
    return SPDX + "int f(int a)\n{\n" + statements + "    return a;\n}\n"


def nested(levels):
    indents = ["    " * (level + 1) for level in range(levels)]
    return body("".join(f"{indent}if (a > {level})\n" for level, indent in enumerate(indents))
                + "    " * (levels + 1) + "a++;\n")


def with_parameters(count):
    parameters = [f"int a{i}" for i in range(count)] + ["struct vd_error *err"]
    return SPDX + "int f(" + ", ".join(parameters) + ")\n{\n    return 0;\n}\n"


ALLOWED = "src/base/a.c f lines 80\n"
# gate, a file that breaks it, its text, the mended text, and a word of the sentence told
CASES = [
    ("sizes", "src/base/a.c", body("    a++;\n" * 67), body("    a++;\n" * 66), "lines 71"),
    ("sizes", "src/base/a.c", body("    if (a)\n        a++;\n" * 15),
     body("    if (a)\n        a++;\n" * 14), "complexity 16"),
    ("sizes", "src/base/a.c", nested(5), nested(4), "nesting 5"),
    ("sizes", "src/base/a.c", with_parameters(7), with_parameters(6), "parameters 7"),
    ("sizes", "src/base/a.c", SPDX + "\n" * 800, SPDX + "\n" * 799, "file-lines 801"),
    ("sizes", "tools/size-allow", ALLOWED, "", "no longer needed"),
    ("banned", "src/base/a.c", "    strcpy(a, b);\n", '    say("strcpy(a, b)"); /* strcpy() */\n',
     "strcpy"),
    ("banned", "tests/unit/a.c", "    n = atoi(text);\n", "    n = my_atoi(text);\n", "atoi"),
    ("libraries", "src/base/a.c", '    printf("x");\n', "    snprintf(a, 1, b);\n", "never prints"),
    ("libraries", "src/base/a.c", "    fprintf(stderr, a);\n", "    fprintf(log, a);\n",
     "never prints"),
    ("libraries", "src/base/a.c", "    exit(1);\n", "    on_exit_of(1);\n", "never ends"),
    ("libraries", "src/base/a.c", '    chdir("/");\n', "    my_chdir(1);\n", "directory"),
    ("layout", "src/base/a.c", "int  a;\n", "int a;\n", "clang-format"),
    ("headers", "src/base/a-b.h", "#ifndef A_B\n#define A_B\n#endif\n",
     "#ifndef VD_BASE_A_B_H\n#define VD_BASE_A_B_H\n#endif\n", "VD_BASE_A_B_H"),
    ("headers", "src/disk/a.c", '#include "base/a-int.h"\n', '#include "disk/a-int.h"\n',
     "private to its folder"),
    ("whitespace", "docs/a.md", "text \n", "text\n", "white space"),
    ("whitespace", "docs/a.md", "text\n\n", "text\n", "newline"),
    ("whitespace", "src/base/a.c", "\tint a;\n", "    int a;\n", "tab"),
    ("layout", "sim/a.go", "package a\n\nvar x=1\n", "package a\n\nvar x = 1\n", "gofmt"),
    ("leftovers", "docs/a.md", "TO" + "DO: more\n", "more\n", "more"),
    ("callers", "src/base/a.h", "int vd_a(void);\n", "int my_a(void);\n", "vd_a is called by no"),
    ("callers", "src/base/a.h", "int vd_a(void);\n",
     "int vd_a(void);\n#define VD_B() vd_a()\n", "vd_a is called by no"),
    ("callers", "tools/callers-allow", "vd_a\n", "# vd_a\n", "no longer needed"),
    ("origins", "docs/a.md", "see @ROOT@/a\n", "see /var/a\n", "a.md:1"),
    ("licence", "src/base/a.c", "int a;\n", SPDX + "int a;\n", "SPDX"),
    ("spelling", "docs/a.md", "recie" + "ve\n", "receive\n", "receive"),
    ("shell", "tools/a.sh", "#!/bin/sh\nrm $1\n", '#!/bin/sh\nrm "$1"\n', "SC2086"),
    ("python", "tools/a.py", "def f(:\n", "def f():\n    return 1\n", "a.py"),
    ("man", "man/a.1", ".TH A 1 2024-01-01\n.SH NAME\na \\- b\n.XX\n",
     ".TH A 1 2024-01-01\n.SH NAME\na \\- b\n", "unknown macro"),
]


def run_gate(gate, path, text):
    """Runs one gate over a project of one file; gives its verdict and all it said."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(os.path.join(ROOT, ".clang-format"), folder)
        os.makedirs(os.path.join(folder, os.path.dirname(path)))
        with open(os.path.join(folder, path), "w", encoding="utf-8") as file:
            file.write(text.replace("@ROOT@", folder))
        ran = subprocess.run([os.path.join(ROOT, "tools", "check-style"), "--root", folder, gate],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             check=False)
    return ran.returncode, ran.stdout


def check_case(gate, path, bad, good, word):
    """None when the gate does its work, 'skip' where its tool is missing, else what it said."""
    status, said = run_gate(gate, path, bad)
    if "# SKIP" in said:
        return "skip"
    if status == 0 or word not in said:
        return f"did not find the fault; said:\n{said}"
    status, said = run_gate(gate, path, good)
    if status != 0:
        return f"found a fault in the mended file:\n{said}"
    return None


def main():
    failed = False
    print(f"1..{len(CASES)}")
    for number, (gate, path, bad, good, word) in enumerate(CASES, 1):
        what = f"{number} - gate {gate} finds: {word}"
        verdict = check_case(gate, path, bad, good, word)
        if verdict is None:
            print(f"ok {what}")
        elif verdict == "skip":
            print(f"ok {what} # SKIP its tool is not installed")
        else:
            failed = True
            for line in verdict.splitlines():
                print(f"# {line}")
            print(f"not ok {what}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
