"""Run a stock script once for each line of a file, in this process: FILE

A line is the script and its arguments as a JSON list. Prints, for each, one line of JSON: the
name and the text of the error that it ended with, or null.
"""

import json
import runpy
import sys
from pathlib import Path

found: list[list[str] | None] = []
for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
    sys.argv = json.loads(line)
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except Exception as error:  # noqa: BLE001  (it is what is asked for)
        found.append([type(error).__name__, str(error)])
    else:
        found.append(None)
print("\n".join(map(json.dumps, found)))
