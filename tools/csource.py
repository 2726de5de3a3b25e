# SPDX-License-Identifier: Apache-2.0
"""Enough of C to measure it: functions with their length, parameters and nesting.

Reads the source as written, without the preprocessor, so a function is what a reader sees. Layout
is clang-format's, which another gate holds.
"""
import re

TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/            # comments
      | "(?:\\.|[^"\\\n])*"           # strings
      | '(?:\\.|[^'\\\n])*'
      | ^[ \t]*\#(?:\\\n|[^\n])*      # preprocessor lines with their continuations
      | [A-Za-z_]\w*
      | [{}();,:?]
      | \n
      | .""", re.S | re.M | re.X)
CONTROLS = ("if", "for", "while", "switch")


class Function:
    def __init__(self, name, line, lines, parameters, nesting):
        self.name = name
        self.line = line
        self.lines = lines
        self.parameters = parameters
        self.nesting = nesting


def blank(text):
    """A comment, string or directive as spaces of the same shape."""
    return re.sub(r"[^\n]", " ", text)


def code_only(source):
    """The source without comments, strings' contents and directives; line numbers stay."""
    def keep(found):
        token = found.group()
        if token.startswith(("//", "/*")) or token.lstrip().startswith("#"):
            return blank(token)
        if token[0] in "\"'":
            return token[0] + blank(token[1:-1]) + token[-1]
        return token
    return TOKEN.sub(keep, source)


def tokens_of(source):
    """(token, line) pairs of code, without white space."""
    line = 1
    tokens = []
    for found in TOKEN.finditer(code_only(source)):
        token = found.group()
        if not token.isspace():
            tokens.append((token, line))
        line += token.count("\n")
    return tokens


class Walker:
    """Walks the statements of one body and keeps the deepest nesting seen."""

    def __init__(self, tokens, at):
        self.tokens = tokens
        self.at = at
        self.deepest = 0

    def peek(self, ahead=0):
        index = self.at + ahead
        return self.tokens[index][0] if index < len(self.tokens) else ""

    def skip_group(self):
        """Over a balanced (...) or {...}."""
        depth = 0
        while self.at < len(self.tokens):
            token = self.peek()
            depth += token in "({"
            depth -= token in ")}"
            self.at += 1
            if depth == 0:
                return

    def skip_simple(self):
        """To the end of an expression or declaration, initialisers included."""
        while self.at < len(self.tokens) and self.peek() not in (";", "}"):
            if self.peek() in "({":
                braced_macro = self.peek() == "(" and self.after_group() == "{"
                self.skip_group()
                if braced_macro and self.peek() == "{":
                    return
            else:
                self.at += 1
        self.at += self.peek() == ";"

    def after_group(self):
        """The token that follows the group that begins here."""
        here = self.at
        self.skip_group()
        token, self.at = self.peek(), here
        return token

    def block(self, depth):
        self.deepest = max(self.deepest, depth)
        self.at += 1
        while self.at < len(self.tokens) and self.peek() != "}":
            self.statement(depth)
        self.at += 1

    def inner(self, depth):
        self.deepest = max(self.deepest, depth)
        if self.peek() == "{":
            self.block(depth)
        else:
            self.statement(depth)

    def label(self):
        while self.at < len(self.tokens) and self.peek() != ":":
            self.at += 1
        self.at += 1

    def control(self, depth):
        is_if = self.peek() == "if"
        self.at += 1
        self.skip_group()
        self.inner(depth + 1)
        if is_if and self.peek() == "else":
            self.at += 1
            if self.peek() == "if":  # a chain, not a deeper level
                self.control(depth)
            else:
                self.inner(depth + 1)

    def statement(self, depth):
        token = self.peek()
        if token == "{":
            self.block(depth + 1)
        elif token in CONTROLS:
            self.control(depth)
        elif token == "do":
            self.at += 1
            self.inner(depth + 1)
            self.skip_simple()  # while (...);
        elif token in ("case", "default"):
            self.label()
        else:
            self.skip_simple()
            if self.peek() == "{":  # a macro that opens a block
                self.block(depth + 1)


def count_parameters(tokens):
    """Of the tokens between a function's parentheses. The error every fallible function carries as
    its last parameter is not counted: it says nothing about how much the function asks for."""
    if tokens[-4:-1] == ["struct", "vd_error", "*"]:
        tokens = tokens[:-5]  # and the comma before it
    if not tokens or tokens == ["void"]:
        return 0
    depth = commas = 0
    for token in tokens:
        depth += token == "("
        depth -= token == ")"
        commas += token == "," and depth == 0
    return commas + 1


def opening_paren(tokens, at):
    """Index of the ( that matches the ) at `at`."""
    depth = 0
    while at >= 0:
        depth += tokens[at][0] == ")"
        depth -= tokens[at][0] == "("
        if depth == 0:
            return at
        at -= 1
    return -1


def functions_of(source):
    tokens = tokens_of(source)
    found = []
    at = 0
    while at < len(tokens):
        token = tokens[at][0]
        if token != "{":
            at += 1
            continue
        walker = Walker(tokens, at)
        if at > 0 and tokens[at - 1][0] == ")":
            start = opening_paren(tokens, at - 1)
            name, line = tokens[start - 1]
            inside = [text for text, _ in tokens[start + 1:at - 1]]
            walker.block(0)
            last = tokens[walker.at - 1][1]
            found.append(Function(name, line, last - line + 1, count_parameters(inside),
                                  walker.deepest))
        else:
            walker.skip_group()  # a struct, an enum, an initialiser
        at = walker.at
    return found
