"""What a command costs before it does anything: CPU seconds of imports and of the light commands.

    python benchmarks/imports.py

Each is a fresh process, run three times; the least is told. `python -c pass` is the floor.
"""

import sys
import tempfile

from measure import arguments, report, timed_command

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import clipproof": ["-c", "import clipproof"],
    "clipproof --help": ["-m", "clipproof", "--help"],
    "clipproof status": ["-m", "clipproof", "status"],
    "clipproof safety check": ["-m", "clipproof", "safety", "check", "a red ball rolls on grass"],
    "import sqlalchemy": ["-c", "import sqlalchemy"],
    "import prefect": ["-c", "import prefect"],
    "import torch": ["-c", "import torch"],
    "import open_clip": ["-c", "import open_clip"],
}


def main() -> None:
    options = arguments(__doc__).parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as home:
        for name, code in COMMANDS.items():
            runs = [timed_command([sys.executable, *code], {"CLIPPROOF_HOME": home}) for _ in range(3)]
            rows.append(
                {"command": name, "cpu_s": min(r[1] for r in runs), "wall_s": min(r[0] for r in runs)}
            )
    report(rows, options.json)


if __name__ == "__main__":
    main()
