# SPDX-License-Identifier: Apache-2.0
"""What a person would see: a small terminal that understands what line editors write.

A sequence that it does not know fails the test, so that it never shows something that a real
terminal would not.
"""
import re

TOKEN = re.compile(r"\x1b\[([0-9;?]*)([@-~])|([\x00-\x1f\x7f])|([^\x00-\x1f\x7f]+)|(\x1b.?)")


class Screen:
    def __init__(self, columns=80):
        self.columns = columns
        self.rows = [[]]
        self.row = 0
        self.column = 0
        self.unread = ""

    def lines(self):
        return ["".join(row).rstrip() for row in self.rows]

    def text(self):
        return "\n".join(self.lines())

    def feed(self, text):
        text = self.unread + text
        # An escape sequence may be cut in two by the read.
        cut = re.search(r"\x1b(\[[0-9;?]*)?$", text)
        self.unread = cut.group(0) if cut else ""
        text = text[:len(text) - len(self.unread)]
        for match in TOKEN.finditer(text):
            parameters, final, control, plain, unknown = match.groups()
            if final:
                self.sequence(parameters, final)
            elif control:
                self.control(control)
            elif plain:
                self.write(plain)
            else:
                raise AssertionError(f"escape {unknown!r} is not understood")

    def control(self, character):
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.down(1)
        elif character == "\b":
            self.column = max(0, self.column - 1)
        elif character == "\t":
            self.column = min(self.columns - 1, (self.column // 8 + 1) * 8)
        elif character != "\a":
            raise AssertionError(f"control character {character!r} reached the terminal")

    def down(self, count):
        self.row += count
        while len(self.rows) <= self.row:
            self.rows.append([])

    def write(self, text):
        for character in text:
            if self.column == self.columns:
                self.column = 0
                self.down(1)
            row = self.rows[self.row]
            row.extend(" " * (self.column + 1 - len(row)))
            row[self.column] = character
            self.column += 1

    def sequence(self, parameters, final):
        if final in "mhl":
            return
        count = int(parameters) if parameters.isdigit() else 0
        row = self.rows[self.row]
        if final == "A":
            self.row = max(0, self.row - max(1, count))
        elif final == "B":
            self.down(max(1, count))
        elif final == "C":
            self.column = min(self.columns - 1, self.column + max(1, count))
        elif final == "D":
            self.column = max(0, self.column - max(1, count))
        elif final == "G":
            self.column = max(1, count) - 1
        elif final == "K" and count == 0:
            del row[self.column:]
        elif final == "J" and count == 0:
            del row[self.column:]
            del self.rows[self.row + 1:]
        elif final == "P":
            del row[self.column:self.column + max(1, count)]
        elif final == "@":
            row[self.column:self.column] = " " * max(1, count)
        else:
            raise AssertionError(f"sequence {parameters}{final} is not understood")
