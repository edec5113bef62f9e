"""Text that members wrote, made harmless before it is shown again."""

import unicodedata

ELLIPSIS = "…"
JOINERS = "\u200c\u200d"  # needed inside emoji and in Persian and Indic words
MAX_MARKS = 4  # combining marks in a row: more than any script needs, less than "zalgo"
MARKDOWN = frozenset("\\*_~`|<>[]()#:-")
NO_MENTION = "@\u200b"  # a zero-width space keeps the @ from reaching a name


def plain(text: str, limit: int) -> str:
    """One line without control, direction or invisible characters, at most `limit` characters.

    What is too long ends in "…". For places without markdown, such as alt text.
    """
    kept: list[str] = []
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        marks = marks + 1 if category.startswith("M") else 0
        if marks > MAX_MARKS or (category in ("Cf", "Cs", "Co") and char not in JOINERS):
            continue
        kept.append(" " if category in ("Cc", "Zl", "Zp") else char)
    line = " ".join("".join(kept).split())
    if len(line) <= limit:
        return line
    return line[: limit - 1].rstrip(JOINERS + " ") + ELLIPSIS


def escaped(text: str, limit: int) -> str:
    """Like `plain`, and shown by Discord as it was typed: no mention, link, heading or style.

    limit: characters before escaping; the result has at most twice as many.
    """
    return "".join(
        NO_MENTION if char == "@" else f"\\{char}" if char in MARKDOWN else char
        for char in plain(text, limit)
    )
