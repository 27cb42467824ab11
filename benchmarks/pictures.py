"""The README's pictures, from a clip that is produced for them: its frames, a verify report, its lineage.

    python benchmarks/pictures.py

Writes docs/images/clip.png, docs/images/verify.svg and docs/images/lineage.svg.
"""

import io
import os
import tempfile
from pathlib import Path

from rich.console import Console

from clipproof.cli.verify import print_report
from clipproof.demo import PROMPT, contact_sheet, transcode
from flows import runtime
from flows.home import open_home
from flows.settings import Settings
from provenance.ledger.drawing import draw
from provenance.verify import verify_clip

IMAGES = Path(__file__).parent.parent / "docs" / "images"


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        settings = Settings(home=Path(folder) / "home")
        settings.home.mkdir()
        runtime.use(settings)
        try:
            from flows.produce import run_produce
            from flows.production import Job

            clip = Path("clip.mp4")
            made = run_produce(settings, Job(prompt=PROMPT), out=clip, progress=lambda _step, _share: None)
        finally:
            runtime.down(settings)
        contact_sheet(clip, IMAGES / "clip.png")
        wild = transcode(clip, Path("from-the-wild.mp4"))
        with open_home(settings) as home:
            report = verify_clip(wild, trust=home.trust, ledger=home.ledger, keys=home.keys)
            lineage = home.ledger.lineage(int(str(made.clip_id), 16))
        assert lineage is not None
        (IMAGES / "lineage.svg").write_text(draw(lineage), encoding="utf-8")
        console = Console(record=True, width=104, file=io.StringIO(), highlight=False)
        console.print(
            "[bold]$ clipproof verify from-the-wild.mp4[/]   [dim]# stripped, H.264 crf 28, 75 % of the size[/]\n"
        )
        print_report(report, console)
        console.save_svg(str(IMAGES / "verify.svg"), title="clipproof")


if __name__ == "__main__":
    main()
