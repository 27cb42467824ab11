"""Clips shared by the detector's tests."""

from collections.abc import Callable
from pathlib import Path

import pytest
from moving_textures import Frames, redrawn, travelling, write_clip


@pytest.fixture(scope="session")
def make_clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    folder = tmp_path_factory.mktemp("clips")

    def make(name: str, frames: Frames, rate: int = 8) -> Path:
        return write_clip(folder / name, frames, rate)

    return make


@pytest.fixture(scope="session")
def travelling_clip(make_clip: Callable[..., Path]) -> Path:
    return make_clip("travelling.mp4", travelling(1, 34))


@pytest.fixture(scope="session")
def training_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six tiny sources with a manifest: textures redrawn in place as `ai`, travelling ones as `real`."""
    folder = tmp_path_factory.mktemp("training")
    lines = ["path,split,label,source,group,width,height,fps,frames,bytes"]
    for label, shape in (("ai", redrawn), ("real", travelling)):
        for source in range(4):
            split = "report" if source == 3 else "fit"
            for k in range(3 if split == "fit" else 2):
                name = f"{label}-{source}-{k}.mp4"
                clip = write_clip(folder / name, shape(100 * source + k, 18))
                row = [name, split, label, f"{label}{source}", f"group-{label}{source}", 192, 160, 8, 18]
                lines.append(",".join(map(str, [*row, clip.stat().st_size])))
    write_clip(folder / "still.mp4", (frame for frame in [next(travelling(9, 1))] * 18))
    lines.append("still.mp4,fit,real,real0,group-real0,192,160,8,18,1000")
    (folder / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + b"\0" * 40)
    lines.append("broken.mp4,report,real,real3,group-real3,192,160,8,18,52")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def tiny_encoder_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a two-layer vision transformer, and its architecture registered as `tiny-vit`."""
    import open_clip
    import torch

    folder = tmp_path_factory.mktemp("encoder")
    (folder / "tiny-vit.json").write_text(
        '{"embed_dim": 16, "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8,'
        ' "head_width": 16}, "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 2,'
        ' "layers": 1}}'
    )
    open_clip.add_model_config(folder / "tiny-vit.json")
    torch.manual_seed(0)
    torch.save(open_clip.create_model("tiny-vit").state_dict(), folder / "weights.pt")
    return folder / "weights.pt"
