"""Text with colours, as a terminal of 80 columns shows it, drawn as SVG."""

import re
from dataclasses import dataclass, replace
from xml.sax.saxutils import escape

COLUMNS = 80
CELL, LINE, MARGIN, BAR = 8.4, 19, 16, 30
# Readable on the dark ground: each is at least 4.5 to 1.
GROUND, PLAIN = "#16191d", "#d8dee6"
COLOURS = {31: "#ff8080", 32: "#7fd88f", 33: "#e6c06a", 34: "#86b7ff", 35: "#d9a3ff", 36: "#7fd1e0"}


@dataclass(frozen=True)
class Style:
    colour: str = PLAIN
    bold: bool = False
    dim: bool = False

    def after(self, codes):
        style = self
        for code in codes:
            if code == 0:
                style = Style()
            elif code == 1:
                style = replace(style, bold=True)
            elif code == 2:
                style = replace(style, dim=True)
            elif code == 22:
                style = replace(style, bold=False, dim=False)
            elif code == 39:
                style = replace(style, colour=PLAIN)
            elif code % 60 in COLOURS:
                style = replace(style, colour=COLOURS[code % 60])
        return style


def cells(text):
    """Rows of (character, style): escape sequences obeyed, long lines wrapped, carriage returns heeded."""
    rows, row, column, style = [], [], 0, Style()
    for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|[\r\n])", text):
        if part == "\n":
            rows.append(row)
            row, column = [], 0
        elif part == "\r":
            column = 0
        elif part.startswith("\x1b["):
            if part.endswith("m"):
                style = style.after([int(code or 0) for code in part[2:-1].split(";")])
            elif part.endswith("K"):
                del row[column:]
        else:
            for character in part:
                if column == COLUMNS:
                    rows.append(row)
                    row, column = [], 0
                row[column : column + 1] = [(character, style)]
                column += 1
    return [*rows, row] if row else rows


def runs(row):
    """Neighbours of one style, each with its column."""
    start = 0
    for end in range(1, len(row) + 1):
        if end == len(row) or row[end][1] != row[start][1]:
            yield start, "".join(character for character, _ in row[start:end]), row[start][1]
            start = end


def svg(text, title):
    rows = cells(text.rstrip("\n"))
    width, height = round(2 * MARGIN + COLUMNS * CELL), BAR + len(rows) * LINE + MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        "<style>text{font:14px ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre}"
        ".b{font-weight:bold}.d{opacity:.72}</style>",
        f'<rect width="{width}" height="{height}" rx="8" fill="{GROUND}"/>',
    ]
    out += [f'<circle cx="{MARGIN + 4 + 18 * i}" cy="15" r="5" fill="#4a525c"/>' for i in range(3)]
    for number, row in enumerate(rows):
        y = BAR + number * LINE + 14
        for column, run, style in runs(row):
            blanks = len(run) - len(run.lstrip())
            column, run = column + blanks, run.strip()
            if not run:
                continue
            names = " ".join(name for name, on in (("b", style.bold), ("d", style.dim)) if on)
            kind = f' class="{names}"' if names else ""
            # Each run is held to its columns, whatever font the reader has.
            out.append(
                f'<text x="{MARGIN + column * CELL:.1f}" y="{y}" fill="{style.colour}"{kind} '
                f'textLength="{len(run) * CELL:.1f}" lengthAdjust="spacingAndGlyphs" xml:space="preserve">{escape(run)}</text>'
            )
    return "\n".join([*out, "</svg>", ""])
