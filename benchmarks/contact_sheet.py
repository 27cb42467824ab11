"""Draw the contact sheet of the embedded model: 24 prompts, six frames of each, the first seed that comes.

``python benchmarks/contact_sheet.py --out docs/images/contact-sheet.png`` writes the picture and prints the
table of prompts, with what the model understood and ignored. Nothing is picked: clip k has seed k.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from generator import GenerationRequest, generate

PROMPTS = (
    "a red ball bounces on grass, in daylight",
    "雪地上一个蓝色方块快速向右滚动，白天",
    "a red ball and a blue ball collide on sand at dusk",
    "夜晚，石地上一个绿色球缓慢摆动",
    "a yellow balloon rises slowly on grass at sunset",
    "紫色墨水在水中快速扩散",
    "an orange box floats on the waves, in daylight",
    "海浪上漂着一个白色三角形，黄昏",
    "a white ball is thrown to the left on grass in daylight",
    "沙滩上一个黑色球被快速抛向右边，白天",
    "a purple ball rolls slowly to the left on sand at sunset",
    "草地上红色球和黄色球相撞，夜晚",
    "a green triangle swings on stone in daylight",
    "雪地上一个红色气球上升，夜晚",
    "black ink spreads slowly",
    "一个橙色球弹起，沙漠，镜头推近",
    "a blue ball rolls to the right, the camera pans right, on snow",
    "a red box on the ocean at night",
    "白色墨水扩散",
    "a yellow ball bounces on stone, the camera zooms out",
    "a cat plays the piano",
    "一只熊猫在吃竹子",
    "a red dragon bounces on grass",
    "rain over a city of glass",
)
TILE, FRAMES, COLUMNS, GAP = 96, 6, 2, 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="PNG to write")
    parser.add_argument("--model", help="a folder with other weights of the same pipeline")
    arguments = parser.parse_args()
    rows = -(-len(PROMPTS) // COLUMNS)
    width, height = TILE * FRAMES + 24 + GAP, TILE + GAP
    sheet = Image.new("RGB", (COLUMNS * width + GAP, rows * height + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    print("| # | prompt | understood | ignored |\n| --- | --- | --- | --- |")
    for number, prompt in enumerate(PROMPTS):
        clip = generate(GenerationRequest(prompt, seed=number + 1, model=arguments.model), device="cpu")
        chosen = np.linspace(0, len(clip.frames) - 1, FRAMES).round().astype(int)
        strip = Image.fromarray(np.concatenate(list(clip.frames[chosen]), axis=1))
        x, y = GAP + (number // rows) * width, GAP + (number % rows) * height
        draw.text((x, y + TILE // 2 - 5), f"{number + 1:>2}", fill="black")
        sheet.paste(strip, (x + 20, y))
        report = clip.params["prompt_report"]
        understood = ", ".join(report["understood"].values()) or "nothing"
        print(f"| {number + 1} | {prompt} | {understood} | {', '.join(report['ignored'])} |", flush=True)
    sheet.save(arguments.out, optimize=True)


if __name__ == "__main__":
    main()
