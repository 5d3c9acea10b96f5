"""Makes aiocometd 0.4.5 run on Python 3.10 and newer: drops the `loop=` arguments that asyncio no longer takes.

Run once by the interpreter in which aiocometd is installed; a second run changes nothing. The calls are found in the
syntax tree, not by their text, so that a difference in layout does not matter.
"""

import ast
import importlib.util
import pathlib

# asyncio still takes `loop=` for what makes or wraps a future.
STILL_TAKEN = {"Future", "Task", "ensure_future", "wrap_future", "run_coroutine_threadsafe"}


def removed_arguments(source):
    """The places, last first, of the `loop=` arguments in calls of `asyncio.<name>`: (start, end) offsets in bytes."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        if not isinstance(call.func.value, ast.Name) or call.func.value.id != "asyncio" or call.func.attr in STILL_TAKEN:
            continue
        for keyword in call.keywords:
            if keyword.arg == "loop":
                # From the end of the argument before it, or from the open parenthesis.
                before = [node for node in [*call.args, *call.keywords] if node is not keyword]
                last = max((node.value if isinstance(node, ast.keyword) else node for node in before),
                           key=lambda node: (node.end_lineno, node.end_col_offset), default=None)
                if last is None:
                    start = starts[keyword.lineno - 1] + keyword.col_offset
                else:
                    start = starts[last.end_lineno - 1] + last.end_col_offset
                found.append((start, starts[keyword.end_lineno - 1] + keyword.end_col_offset))
    return sorted(found, reverse=True)


def main():
    package = importlib.util.find_spec("aiocometd")
    if package is None:
        raise SystemExit("aiocometd is not installed for this Python")
    dropped = 0
    for path in sorted(pathlib.Path(package.origin).parent.rglob("*.py")):
        source = path.read_bytes()
        places = removed_arguments(source)
        dropped += len(places)
        for start, end in places:
            source = source[:start] + source[end:]
        if places:
            ast.parse(source)
            path.write_bytes(source)
    print(f"aiocometd: {dropped} loop= arguments dropped")


if __name__ == "__main__":
    main()
