"""Families of video models: what each can draw, and what its makers recommend.

Frame counts and sides come from the pipelines' own checks, the recommendations from the model cards that
``source`` names; where a field is None, the pipeline's own default holds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from .sizes import SizeRule

if TYPE_CHECKING:
    from .models import FoundModel

FlowShift = Callable[["FoundModel", int, int], float | None]
"""From the model, width and height in pixels to the shift of the noise schedule; None: as it was saved."""


@dataclass(frozen=True)
class Latents:
    """How the VAE and the transformer cut a clip up, where their configs do not say it.

    ``temporal``, ``spatial``: frames and pixels per latent. ``tile_px``: side of a tile when the VAE decodes in
    tiles. ``chunk_frames``: frames that it decodes at a time; None: all.
    """

    temporal: int = 4
    spatial: int = 8
    tile_px: int = 256
    chunk_frames: int | None = None


@dataclass(frozen=True)
class Family:
    """One family. ``longest``: frames of the longest clips that it was trained on."""

    name: str
    rule: SizeRule
    latents: Latents
    source: str
    usual_licence: str = "unknown"
    """Of the weights that the makers publish; a copy's own card has the say."""
    frames: int | None = None
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    guidance_scale_2: float | None = None
    flow_shift: FlowShift = lambda found, width, height: None
    longest: int | None = None
    passes: int = 2
    """Runs of the transformer in a step with guidance."""
    float32_vae: bool = False
    """The card asks for the VAE in float32 beside a transformer in 16 bits."""
    image_class: Mapping[str, str] = field(default_factory=dict)
    """Pipeline class -> the class that runs the same weights from a first picture."""
    last_image_class: Mapping[str, str] = field(default_factory=dict)
    """The same for a last picture."""


def is_expanding(found: "FoundModel") -> bool:
    """Wan 2.2 TI2V: one model for text and pictures, with a noise level per token."""
    return bool(found.index.get("expand_timesteps"))


def last_picture(found: "FoundModel") -> Literal["takes", "needs", "refuses"]:
    """What weights do with a last picture, where their pipeline has an argument for one.

    Wan and SkyReels read pictures through an image encoder, whose tokens have places for one picture or for two.
    """
    transformer = found.config("transformer")
    if is_expanding(found):
        return "refuses"
    if transformer.get("image_dim") is None:
        return "takes"
    return "refuses" if transformer.get("pos_embed_seq_len") is None else "needs"


def _wan_shift(found: "FoundModel", width: int, height: int) -> float:
    return 3.0 if width * height <= 480 * 832 else 5.0


_CAUSAL = Latents(chunk_frames=4)

_WAN21 = Family(
    "Wan 2.1", SizeRule(4, 1, 16, 16.0), _CAUSAL, "https://huggingface.co/Wan-AI/Wan2.1-T2V-14B-Diffusers",
    usual_licence="Apache-2.0", frames=81, width=832, height=480, steps=50, guidance_scale=5.0,
    flow_shift=_wan_shift, longest=81, float32_vae=True,
)  # fmt: skip
_WAN22 = replace(
    _WAN21, name="Wan 2.2 A14B", source="https://huggingface.co/Wan-AI/Wan2.2-T2V-A14B-Diffusers",
    width=1280, height=720, steps=40, guidance_scale=4.0, guidance_scale_2=3.0,
    flow_shift=lambda found, width, height: None,
)  # fmt: skip
_WAN22_IMAGE = replace(
    _WAN22, source="https://huggingface.co/Wan-AI/Wan2.2-I2V-A14B-Diffusers",
    guidance_scale=3.5, guidance_scale_2=3.5,
)  # fmt: skip
_WAN22_SMALL = replace(
    _WAN22, name="Wan 2.2 TI2V-5B", source="https://huggingface.co/Wan-AI/Wan2.2-TI2V-5B-Diffusers",
    rule=SizeRule(4, 1, 32, 24.0), latents=replace(_CAUSAL, spatial=16),
    frames=121, height=704, steps=50, guidance_scale=5.0, guidance_scale_2=None, longest=121,
    image_class={"WanPipeline": "WanImageToVideoPipeline"},
)  # fmt: skip
_SKYREELS = Family(
    "SkyReels V2", SizeRule(4, 1, 16, 24.0), _CAUSAL,
    "https://huggingface.co/Skywork/SkyReels-V2-T2V-14B-540P-Diffusers",
    usual_licence="skywork-license", frames=97, width=960, height=544, steps=50,
    flow_shift=lambda found, width, height: 5.0 if "ImageToVideo" in found.pipeline_class else 8.0,
    longest=97, float32_vae=True,
)  # fmt: skip
_LTX = Family(
    "LTX-Video", SizeRule(8, 1, 32, 25.0), Latents(8, 32, 512), "https://huggingface.co/Lightricks/LTX-Video",
    usual_licence="ltx-video-open-weights-license", frames=161, width=704, height=480, steps=50, guidance_scale=3.0,
    longest=257,
    image_class={"LTXPipeline": "LTXImageToVideoPipeline"},
    last_image_class={
        "LTXPipeline": "LTXConditionPipeline", "LTXImageToVideoPipeline": "LTXConditionPipeline",
    },
)  # fmt: skip
_LTX2 = Family(
    "LTX-2", SizeRule(8, 1, 32, 24.0), Latents(8, 32, 512), "https://huggingface.co/Lightricks/LTX-2",
    usual_licence="ltx-2-community-license", frames=121, width=768, height=512, steps=30, guidance_scale=3.0,
    passes=4,  # guidance, spatio-temporal guidance, and one stream without the other
    image_class={"LTX2Pipeline": "LTX2ImageToVideoPipeline"},
    last_image_class={
        "LTX2Pipeline": "LTX2ConditionPipeline", "LTX2ImageToVideoPipeline": "LTX2ConditionPipeline",
    },
)  # fmt: skip
_COGVIDEOX = Family(
    # 8k+1, although its VAE compresses time by 4.
    "CogVideoX", SizeRule(8, 1, 16, 8.0), Latents(tile_px=360, chunk_frames=8),
    "https://huggingface.co/zai-org/CogVideoX-5b",
    usual_licence="cogvideox-license", frames=49, width=720, height=480, steps=50, guidance_scale=6.0, longest=49,
)  # fmt: skip
_COGVIDEOX15 = replace(
    _COGVIDEOX, name="CogVideoX 1.5", rule=SizeRule(16, 1, 16, 16.0), latents=Latents(tile_px=688, chunk_frames=8),
    source="https://huggingface.co/zai-org/CogVideoX1.5-5B", frames=81, width=1360, height=768, longest=161,
)  # fmt: skip
_HUNYUAN = Family(
    "HunyuanVideo", SizeRule(4, 1, 16, 24.0), Latents(chunk_frames=16),
    "https://huggingface.co/hunyuanvideo-community/HunyuanVideo",
    usual_licence="tencent-hunyuan-community", frames=129, width=1280, height=720, steps=50, longest=129,
    passes=1,  # guidance is an input of the transformer
)  # fmt: skip
_HUNYUAN_REPLACING = replace(
    _HUNYUAN, name="HunyuanVideo-I2V", source="https://huggingface.co/hunyuanvideo-community/HunyuanVideo-I2V",
    guidance_scale=6.0,
)  # fmt: skip
_HUNYUAN_SKYREELS = replace(
    _HUNYUAN, name="SkyReels V1", source="https://huggingface.co/Skywork/SkyReels-V1-Hunyuan-I2V",
    usual_licence="skywork-license", frames=97, width=960, height=544, longest=97, passes=2,
)  # fmt: skip
_HUNYUAN15 = Family(
    "HunyuanVideo 1.5", SizeRule(4, 1, 16, 24.0), Latents(spatial=16),
    "https://huggingface.co/hunyuanvideo-community/HunyuanVideo-1.5-Diffusers-480p_t2v",
    usual_licence="tencent-hunyuan-community", frames=121, steps=50, longest=121,
)  # fmt: skip
_MOCHI = Family(
    "Mochi", SizeRule(6, 1, 16, 30.0), Latents(6, 8, 256), "https://huggingface.co/genmo/mochi-1-preview",
    usual_licence="Apache-2.0", frames=85, width=848, height=480, steps=64, guidance_scale=4.5, longest=163,
)  # fmt: skip


def family_of(found: "FoundModel") -> Family:
    """The family of a model, from its pipeline class and configs; what is unknown gets a rule from its VAE."""
    name, transformer = found.pipeline_class, found.config("transformer")
    if found.embedded:
        return _embedded(found)
    if name.startswith("Wan"):
        if is_expanding(found):
            return _WAN22_SMALL
        if found.index.get("boundary_ratio") is not None:
            return _WAN22_IMAGE if "ImageToVideo" in name else _WAN22
        return _WAN21
    if name.startswith("CogVideoX"):
        return _COGVIDEOX if transformer.get("patch_size_t") is None else _COGVIDEOX15
    if name.startswith("HunyuanVideo15"):
        return _HUNYUAN15
    if name.startswith("HunyuanSkyreels"):
        return _HUNYUAN_SKYREELS
    if name.startswith("Hunyuan"):
        replaces = transformer.get("image_condition_type") == "token_replace"
        return _HUNYUAN_REPLACING if replaces else _HUNYUAN
    for prefix, family in (("SkyReelsV2", _SKYREELS), ("LTX2", _LTX2), ("LTX", _LTX), ("Mochi", _MOCHI)):
        if name.startswith(prefix):
            return family
    return _unknown(found)


_TEMPORAL = ("scale_factor_temporal", "temporal_compression_ratio", "time_compression_ratio")
_SPATIAL = ("scale_factor_spatial", "spatial_compression_ratio")


def latents_of(found: "FoundModel", fallback: Latents) -> Latents:
    """``fallback``, with the scale factors that the VAE's config states."""
    vae = found.config("vae")
    temporal = next((int(vae[key]) for key in _TEMPORAL if vae.get(key)), fallback.temporal)
    spatial = next((int(vae[key]) for key in _SPATIAL if vae.get(key)), fallback.spatial)
    return replace(fallback, temporal=temporal, spatial=spatial)


def patch_of(found: "FoundModel") -> tuple[int, int]:
    """Latents that one token of the transformer covers: along time, and along each side."""
    transformer = found.config("transformer")
    patch = transformer.get("patch_size") or 1
    if isinstance(patch, list):
        return int(patch[0]), int(patch[-1])
    return int(transformer.get("patch_size_t") or 1), int(patch)


def _embedded(found: "FoundModel") -> Family:
    """The embedded model draws a few formats at one rate, which its pipeline and its configs state."""
    latents = latents_of(found, Latents(spatial=16))
    latents = replace(latents, spatial=2 * latents.spatial)  # its refiner doubles the size
    rule = SizeRule(latents.temporal, 0, 1, float(found.index.get("fps") or 24))
    return Family("embedded", rule, latents, "its own model card", frames=48, width=256, height=256, passes=1)


def _unknown(found: "FoundModel") -> Family:
    vae = found.config("vae")
    levels = len(vae.get("block_out_channels", ()))
    latents = latents_of(found, Latents(1, 2 ** (levels - 1) if levels else 8))
    rule = SizeRule(latents.temporal, int(latents.temporal > 1), latents.spatial * patch_of(found)[1])
    return Family(found.pipeline_class.removesuffix("Pipeline"), rule, latents, "its own pipeline")
