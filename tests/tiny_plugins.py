"""Real text-to-video pipelines of diffusers with tiny random weights, built offline and saved to a folder."""

from pathlib import Path
from typing import Any


def tokenizer() -> Any:
    """A word-level tokenizer that knows five words; the rest is one unknown token."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "</s>", "<unk>", "a", "red", "ball", "bounces"]
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=32
    )


def text_encoder(kind: str) -> Any:
    import transformers

    config = getattr(transformers, f"{kind}Config")(
        vocab_size=32, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    return getattr(transformers, f"{kind}EncoderModel")(config).eval()


def save_wan(folder: Path) -> None:
    import torch
    from diffusers import (
        AutoencoderKLWan,
        FlowMatchEulerDiscreteScheduler,
        WanPipeline,
        WanTransformer3DModel,
    )

    torch.manual_seed(0)
    vae = AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=16, out_channels=16,
        text_dim=16, freq_dim=32, ffn_dim=16, num_layers=1, cross_attn_norm=True, qk_norm="rms_norm_across_heads",
        rope_max_seq_len=32,
    )  # fmt: skip
    pipeline = WanPipeline(
        tokenizer(), text_encoder("UMT5"), vae, FlowMatchEulerDiscreteScheduler(shift=7.0), transformer
    )
    pipeline.save_pretrained(folder)


def save_ltx(folder: Path) -> None:
    import torch
    from diffusers import (
        AutoencoderKLLTXVideo,
        FlowMatchEulerDiscreteScheduler,
        LTXPipeline,
        LTXVideoTransformer3DModel,
    )

    torch.manual_seed(0)
    vae = AutoencoderKLLTXVideo(
        in_channels=3, out_channels=3, latent_channels=8, block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8), layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1), spatio_temporal_scaling=(True, True, True, False),
        decoder_spatio_temporal_scaling=(True, True, True, False),
        decoder_inject_noise=(False, False, False, False, False), upsample_residual=(False, False, False, False),
        upsample_factor=(1, 1, 1, 1), timestep_conditioning=False, patch_size=4, patch_size_t=1,
        encoder_causal=True, decoder_causal=False,
    )  # fmt: skip
    transformer = LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, patch_size=1, patch_size_t=1, num_attention_heads=2, attention_head_dim=8,
        cross_attention_dim=16, num_layers=1, caption_channels=16,
    )  # fmt: skip
    pipeline = LTXPipeline(
        FlowMatchEulerDiscreteScheduler(), vae, text_encoder("T5"), tokenizer(), transformer
    )
    pipeline.save_pretrained(folder)


def word_tokenizer(*special: str, padding_side: str = "right") -> Any:
    """The same with whole words for special tokens, and a chat template, as language models have."""
    from transformers import PreTrainedTokenizerFast

    backend = tokenizer().backend_tokenizer
    made = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", bos_token="</s>",
        model_max_length=32, padding_side=padding_side, additional_special_tokens=list(special),
    )  # fmt: skip
    made.chat_template = "{% for message in messages %}{{ message['content'] }} {% endfor %}"
    return made


def clip_vision(size: int = 32, patch: int = 16) -> Any:
    from transformers import CLIPVisionConfig, CLIPVisionModel

    return CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=size,
            patch_size=patch,
            projection_dim=16,
        )
    ).eval()


def clip_image_processor(size: int = 32) -> Any:
    from transformers import CLIPImageProcessor

    return CLIPImageProcessor(size={"shortest_edge": size}, crop_size={"height": size, "width": size})


def clip_text() -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=32,
            hidden_size=8,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            projection_dim=8,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=1,
        )
    ).eval()


def llama(vocab: int = 32) -> Any:
    from transformers import LlamaConfig, LlamaModel

    return LlamaModel(
        LlamaConfig(
            vocab_size=vocab,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=3,
            num_attention_heads=2,
            num_key_value_heads=2,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=1,
        )
    ).eval()


def wan_vae() -> Any:
    from diffusers import AutoencoderKLWan

    return AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )


def wan_transformer(kind: str = "Wan", in_channels: int = 16, out_channels: int = 16, **more: Any) -> Any:
    import diffusers
    import torch

    made = getattr(diffusers, f"{kind}Transformer3DModel")(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=in_channels,
        out_channels=out_channels, text_dim=16, freq_dim=32, ffn_dim=16, num_layers=1, cross_attn_norm=True,
        qk_norm="rms_norm_across_heads", rope_max_seq_len=32, **more,
    )  # fmt: skip
    for (
        parameter
    ) in made.parameters():  # as initialised, a picture would change the frames by less than a level
        torch.nn.init.normal_(parameter, std=0.2)
    return made


def unipc() -> Any:
    from diffusers import UniPCMultistepScheduler

    return UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=7.0
    )


def save_wan_image(folder: Path, **more: Any) -> None:
    """Wan 2.1 from a first picture: its transformer sees the picture's CLIP tokens and a masked latent."""
    from diffusers import WanImageToVideoPipeline

    transformer = wan_transformer(in_channels=36, image_dim=16, added_kv_proj_dim=24, **more)
    WanImageToVideoPipeline(
        tokenizer(),
        text_encoder("UMT5"),
        wan_vae(),
        unipc(),
        clip_image_processor(),
        clip_vision(),
        transformer,
    ).save_pretrained(folder)


def save_wan_ends(folder: Path) -> None:
    """Wan 2.1 FLF2V: places for the CLIP tokens of two pictures, five each."""
    save_wan_image(folder, pos_embed_seq_len=10)


def save_wan_two_image(folder: Path) -> None:
    """Wan 2.2 A14B from a picture: no image encoder, only the masked latent."""
    from diffusers import WanImageToVideoPipeline

    first, second = (wan_transformer(in_channels=36) for _ in range(2))
    WanImageToVideoPipeline(
        tokenizer(), text_encoder("UMT5"), wan_vae(), unipc(), None, None, first, second, boundary_ratio=0.9
    ).save_pretrained(folder)


def save_wan_two(folder: Path) -> None:
    """Wan 2.2 A14B: one transformer for the noisy half of the steps, one for the rest."""
    from diffusers import WanPipeline

    WanPipeline(
        tokenizer(), text_encoder("UMT5"), wan_vae(), unipc(), wan_transformer(), wan_transformer(),
        boundary_ratio=0.875,
    ).save_pretrained(folder)  # fmt: skip


def save_wan_expanding(folder: Path) -> None:
    """Wan 2.2 TI2V: text and pictures, a noise level per token."""
    from diffusers import AutoencoderKLWan, WanPipeline

    vae = AutoencoderKLWan(
        base_dim=4, decoder_base_dim=4, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, is_residual=True,
        temperal_downsample=[False, True, True], in_channels=12, out_channels=12, patch_size=2,
        scale_factor_spatial=16,
    )  # fmt: skip
    WanPipeline(
        tokenizer(), text_encoder("UMT5"), vae, unipc(), wan_transformer(), expand_timesteps=True
    ).save_pretrained(folder)


def save_skyreels(folder: Path) -> None:
    from diffusers import SkyReelsV2Pipeline

    SkyReelsV2Pipeline(
        tokenizer(), text_encoder("UMT5"), wan_transformer("SkyReelsV2"), wan_vae(), unipc()
    ).save_pretrained(folder)


def save_skyreels_image(folder: Path) -> None:
    from diffusers import SkyReelsV2ImageToVideoPipeline
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    vision = CLIPVisionModelWithProjection(CLIPVisionConfig(**clip_vision().config.to_dict()))
    transformer = wan_transformer("SkyReelsV2", in_channels=36, image_dim=16, added_kv_proj_dim=24)
    SkyReelsV2ImageToVideoPipeline(
        tokenizer(), text_encoder("UMT5"), vision, clip_image_processor(), transformer, wan_vae(), unipc()
    ).save_pretrained(folder)


def _save_cogvideox(folder: Path, pipeline: str, in_channels: int, **more: Any) -> None:
    import diffusers

    vae = diffusers.AutoencoderKLCogVideoX(
        in_channels=3, out_channels=3, block_out_channels=(8, 8, 8, 8), latent_channels=4, layers_per_block=1,
        norm_num_groups=2, temporal_compression_ratio=4, sample_height=48, sample_width=64,
        down_block_types=("CogVideoXDownBlock3D",) * 4, up_block_types=("CogVideoXUpBlock3D",) * 4,
    )  # fmt: skip
    transformer = diffusers.CogVideoXTransformer3DModel(
        num_attention_heads=2, attention_head_dim=16, in_channels=in_channels, out_channels=4,
        time_embed_dim=2, text_embed_dim=16, num_layers=1, sample_width=8, sample_height=6, sample_frames=9,
        max_text_seq_length=226, use_rotary_positional_embeddings=True, **more,
    )  # fmt: skip
    getattr(diffusers, pipeline)(
        tokenizer(), text_encoder("T5"), vae, transformer, diffusers.CogVideoXDDIMScheduler()
    ).save_pretrained(folder)


def save_cogvideox(folder: Path) -> None:
    _save_cogvideox(folder, "CogVideoXPipeline", 4)


def save_cogvideox_long(folder: Path) -> None:
    """CogVideoX 1.5: its tokens span two latent frames."""
    _save_cogvideox(folder, "CogVideoXPipeline", 4, patch_size_t=2, patch_bias=False)


def save_cogvideox_image(folder: Path) -> None:
    """CogVideoX 5B from a picture: learned positions, and so one size."""
    _save_cogvideox(folder, "CogVideoXImageToVideoPipeline", 8, use_learned_positional_embeddings=True)


def hunyuan_vae() -> Any:
    from diffusers import AutoencoderKLHunyuanVideo

    return AutoencoderKLHunyuanVideo(
        in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(8, 8, 8, 8), layers_per_block=1,
        norm_num_groups=2, down_block_types=("HunyuanVideoDownBlock3D",) * 4,
        up_block_types=("HunyuanVideoUpBlock3D",) * 4, mid_block_add_attention=True,
    )  # fmt: skip


def hunyuan_transformer(**more: Any) -> Any:
    from diffusers import HunyuanVideoTransformer3DModel

    return HunyuanVideoTransformer3DModel(
        in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=10, num_layers=1,
        num_single_layers=1, num_refiner_layers=1, patch_size=2, patch_size_t=1, text_embed_dim=16,
        pooled_projection_dim=8, rope_axes_dim=(2, 4, 4), **{"guidance_embeds": True, **more},
    )  # fmt: skip


def save_hunyuan(folder: Path) -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler, HunyuanVideoPipeline

    HunyuanVideoPipeline(
        llama(), word_tokenizer(), hunyuan_transformer(), hunyuan_vae(),
        FlowMatchEulerDiscreteScheduler(shift=7.0), clip_text(), word_tokenizer(),
    ).save_pretrained(folder)  # fmt: skip


def save_hunyuan_image(folder: Path) -> None:
    """HunyuanVideo-I2V: a language model that sees the picture in 24 x 24 tokens, as the pipeline counts on."""
    from diffusers import FlowMatchEulerDiscreteScheduler, HunyuanVideoImageToVideoPipeline
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    words = word_tokenizer("<image>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
    language = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=clip_vision(48, 2).config,
            text_config=llama(64).config,
            image_token_index=words.convert_tokens_to_ids("<image>"),
            pad_token_id=0,
            vision_feature_layer=-1,
        )
    ).eval()
    HunyuanVideoImageToVideoPipeline(
        language, words, hunyuan_transformer(image_condition_type="token_replace"), hunyuan_vae(),
        FlowMatchEulerDiscreteScheduler(shift=7.0), clip_text(), word_tokenizer(), clip_image_processor(48),
    ).save_pretrained(folder)  # fmt: skip


def _save_hunyuan15(folder: Path, pipeline: str, **more: Any) -> None:
    import diffusers
    from diffusers.guiders import ClassifierFreeGuidance
    from transformers import Qwen2_5_VLTextConfig, Qwen2_5_VLTextModel

    language = Qwen2_5_VLTextModel(
        Qwen2_5_VLTextConfig(
            vocab_size=32,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=3,
            num_attention_heads=2,
            num_key_value_heads=2,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=1,
            rope_scaling={"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"},
        )
    ).eval()
    vae = diffusers.AutoencoderKLHunyuanVideo15(
        latent_channels=4, block_out_channels=(8, 8, 8, 8, 8), layers_per_block=1
    )
    transformer = diffusers.HunyuanVideo15Transformer3DModel(
        in_channels=9, out_channels=4, num_attention_heads=2, attention_head_dim=8, num_layers=1,
        num_refiner_layers=1, text_embed_dim=16, text_embed_2_dim=16, image_embed_dim=16,
        rope_axes_dim=(2, 2, 4), target_size=64, task_type="i2v" if more else "t2v",
    )  # fmt: skip
    getattr(diffusers, pipeline)(
        text_encoder=language, tokenizer=word_tokenizer(), transformer=transformer, vae=vae,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0), text_encoder_2=text_encoder("T5"),
        tokenizer_2=word_tokenizer(), guider=ClassifierFreeGuidance(guidance_scale=6.0), **more,
    ).save_pretrained(folder)  # fmt: skip


def save_hunyuan15(folder: Path) -> None:
    _save_hunyuan15(folder, "HunyuanVideo15Pipeline")


def save_hunyuan15_image(folder: Path) -> None:
    from transformers import SiglipImageProcessor, SiglipVisionConfig, SiglipVisionModel

    vision = SiglipVisionModel(
        SiglipVisionConfig(
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=32,
            patch_size=16,
        )
    ).eval()
    processor = SiglipImageProcessor(size={"height": 32, "width": 32})
    _save_hunyuan15(
        folder, "HunyuanVideo15ImageToVideoPipeline", image_encoder=vision, feature_extractor=processor
    )


def save_mochi(folder: Path) -> None:
    from diffusers import (
        AutoencoderKLMochi,
        FlowMatchEulerDiscreteScheduler,
        MochiPipeline,
        MochiTransformer3DModel,
    )

    vae = AutoencoderKLMochi(
        latent_channels=12, out_channels=3, encoder_block_out_channels=(32, 32, 32, 32),
        decoder_block_out_channels=(32, 32, 32, 32), layers_per_block=(1, 1, 1, 1, 1),
    )  # fmt: skip
    transformer = MochiTransformer3DModel(
        patch_size=2, num_attention_heads=2, attention_head_dim=8, num_layers=2, pooled_projection_dim=16,
        in_channels=12, text_embed_dim=16, time_embed_dim=4, activation_fn="swiglu", max_sequence_length=16,
    )  # fmt: skip
    MochiPipeline(
        FlowMatchEulerDiscreteScheduler(), vae, text_encoder("T5"), tokenizer(), transformer
    ).save_pretrained(folder)


def save_ltx2(folder: Path) -> None:
    """LTX-2: pictures and sound in one transformer, behind a multimodal language model."""
    from diffusers import (
        AutoencoderKLLTX2Audio,
        AutoencoderKLLTX2Video,
        FlowMatchEulerDiscreteScheduler,
        LTX2Pipeline,
        LTX2VideoTransformer3DModel,
    )
    from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2Vocoder
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    language = Gemma3ForConditionalGeneration(
        Gemma3Config(
            text_config={
                "vocab_size": 32,
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 1,
                "head_dim": 8,
                "pad_token_id": 0,
            },
            vision_config={
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "image_size": 32,
                "patch_size": 16,
            },
            mm_tokens_per_image=4,
            image_token_index=30,
            boi_token_index=28,
            eoi_token_index=29,
        )
    ).eval()
    transformer = LTX2VideoTransformer3DModel(
        in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=8, cross_attention_dim=16,
        audio_in_channels=4, audio_out_channels=4, audio_num_attention_heads=2, audio_attention_head_dim=4,
        audio_cross_attention_dim=8, num_layers=2, caption_channels=16,
    )  # fmt: skip
    connectors = LTX2TextConnectors(
        caption_channels=16, text_proj_in_factor=3, video_connector_num_attention_heads=4,
        video_connector_attention_head_dim=4, video_connector_num_layers=1,
        video_connector_num_learnable_registers=None, audio_connector_num_attention_heads=4,
        audio_connector_attention_head_dim=4, audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=None, connector_rope_base_seq_len=32, rope_type="split",
        rope_double_precision=False,
    )  # fmt: skip
    vae = AutoencoderKLLTX2Video(
        in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 16, 32), layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1), spatio_temporal_scaling=(True, True, True, True),
        decoder_spatio_temporal_scaling=(True, True, True), decoder_inject_noise=(False,) * 4,
        upsample_residual=(True,) * 3, upsample_factor=(2, 2, 2), timestep_conditioning=False,
        patch_size=4, patch_size_t=1, encoder_causal=True, decoder_causal=False, spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    )  # fmt: skip
    audio_vae = AutoencoderKLLTX2Audio(
        base_channels=4, output_channels=2, ch_mult=(1, 1, 2), num_res_blocks=1, in_channels=2, resolution=32,
        latent_channels=2, norm_type="pixel", causality_axis="height", dropout=0.0, mid_block_add_attention=False,
        sample_rate=16000, mel_hop_length=160, is_causal=True, mel_bins=8,
    )  # fmt: skip
    vocoder = LTX2Vocoder(
        in_channels=16, hidden_channels=16, out_channels=2, upsample_kernel_sizes=[4, 4], upsample_factors=[2, 2],
        resnet_kernel_sizes=[3], resnet_dilations=[[1, 3, 5]], output_sampling_rate=16000,
    )  # fmt: skip
    LTX2Pipeline(
        FlowMatchEulerDiscreteScheduler(), vae, audio_vae, language, word_tokenizer(padding_side="left"),
        connectors, transformer, vocoder,
    ).save_pretrained(folder)  # fmt: skip
