"""The words of the embedded model's world: every concept it was trained on, in English and Chinese.

A concept is a slot (``event``, ``color``, …) and a value. The model is conditioned on one value per slot;
id 0 means *unspecified* and leaves the choice to the model. Prompts and training captions share this one
table, so a word that is not here is a word that the model does not know.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Concept:
    """One value of one slot, with its words; the first of each language is the canonical one."""

    value: str
    en: tuple[str, ...]
    zh: tuple[str, ...]


def _c(value: str, en: str, zh: str) -> Concept:
    return Concept(value, tuple(en.split("|")), tuple(zh.split("|")))


SLOTS: Final[dict[str, tuple[Concept, ...]]] = {
    "event": (
        _c(
            "bounce",
            "bounces|bounce|bouncing|falls|fall|falling|drops|drop|dropping",
            "弹起|弹跳|落下|掉下|下落|跳动",
        ),
        _c(
            "throw",
            "is thrown|thrown|throws|throw|is tossed|tossed|toss|flies|flying",
            "抛向|抛出|扔向|扔出|飞向",
        ),
        _c("roll", "rolls|roll|rolling|slides|slide|sliding", "滚动|滚|滑动|滑行"),
        _c("collide", "collide|collides|colliding|crash|crashes|collision", "相撞|碰撞|撞上"),
        _c("swing", "swings|swing|swinging|pendulum", "摆动|摇摆|钟摆|单摆"),
        _c("rise", "rises|rise|rising|floats up|ascends|balloon|balloons", "上升|升起|升空|气球"),
        _c("ink", "ink spreads|ink|dye", "墨水|墨汁|墨滴"),
        _c("waves", "waves|wave|sea|ocean", "海浪|波浪|海面|大海"),
    ),
    "shape": (
        _c("ball", "ball|balls|sphere|circle", "球|圆球"),
        _c("box", "box|boxes|cube|square|block", "方块|箱子|盒子|立方体"),
        _c("triangle", "triangle|triangles|pyramid", "三角形|三角"),
    ),
    "color": (
        _c("red", "red|crimson|scarlet", "红色|红"),
        _c("orange", "orange", "橙色|橘色|橙|橘"),
        _c("yellow", "yellow|golden", "黄色|金色|黄"),
        _c("green", "green", "绿色|绿"),
        _c("blue", "blue", "蓝色|蓝"),
        _c("purple", "purple|violet", "紫色|紫"),
        _c("white", "white", "白色|白"),
        _c("black", "black", "黑色|黑"),
    ),
    "light": (
        _c(
            "day",
            "in daylight|by day|daylight|daytime|noon|in the morning|morning|sunny|blue sky|sunshine",
            "白天|阳光下|晴天|中午|早晨|蓝天",
        ),
        _c("dusk", "at dusk|dusk|sunset|at sunset|in the evening|evening|twilight", "黄昏|日落|傍晚|夕阳"),
        _c(
            "night", "at night|night|moonlight|in the moonlight|starry|midnight", "夜晚|夜里|月光下|深夜|夜空"
        ),
    ),
    "ground": (
        _c("grass", "on grass|grass|green grass|meadow|lawn|field", "草地上|草地|草坪|绿草"),
        _c("sand", "on sand|sand|yellow sand|beach|desert|dunes", "沙地上|沙地|沙滩|沙漠|黄沙"),
        _c("snow", "on snow|snow|white snow|snowy", "雪地上|雪地|白雪|雪"),
        _c("stone", "on stone|stone|rock|concrete|pavement", "石地上|石地|石板|水泥地|岩石"),
    ),
    "camera": (
        _c("static", "static camera|fixed camera|still camera|locked camera", "固定镜头|镜头固定|静止镜头"),
        _c(
            "pan_left",
            "the camera pans left|camera pans left|pan left|panning left",
            "镜头向左平移|镜头左移|向左平移",
        ),
        _c(
            "pan_right",
            "the camera pans right|camera pans right|pan right|panning right",
            "镜头向右平移|镜头右移|向右平移",
        ),
        _c(
            "zoom_in",
            "the camera zooms in|camera zooms in|zoom in|zooming in|push in",
            "镜头推近|镜头拉近|推近",
        ),
        _c(
            "zoom_out",
            "the camera zooms out|camera zooms out|zoom out|zooming out|pull back",
            "镜头拉远|镜头推远|拉远",
        ),
    ),
    "speed": (
        _c("slow", "slowly|slow|gently|gentle|calm", "慢慢|缓慢|缓缓|轻轻"),
        _c("normal", "steadily|at normal speed", "匀速|平稳"),
        _c("fast", "fast|quickly|quick|rapidly|swiftly", "快速|飞快|迅速|急速"),
    ),
    "direction": (
        _c("left", "to the left|leftward|leftwards|left", "向左|左边|左侧|往左|左"),
        _c("right", "to the right|rightward|rightwards|right", "向右|右边|右侧|往右|右"),
    ),
}
COLOR2: Final = "color2"
"""The second object's colour: the same words as ``color``, met a second time."""
STAGE: Final = "stage"
"""1: the clip opens the event; 2: it goes on from frames that are given. Set by the sampler, never by
words."""

SLOT_NAMES: Final = (*SLOTS, COLOR2, STAGE)
SLOT_SIZES: Final = (*(len(v) for v in SLOTS.values()), len(SLOTS["color"]), 2)
"""Values per slot, without the *unspecified* id 0, in the order of ``SLOT_NAMES``."""

EVENTS: Final = tuple(c.value for c in SLOTS["event"])
USES: Final[dict[str, frozenset[str]]] = {
    event: frozenset({"event", "color", STAGE, "light", *extra.split()})
    for event, extra in {
        "bounce": "shape ground camera",
        "throw": "shape ground camera speed direction",
        "roll": "shape ground camera speed direction",
        "collide": "shape ground camera speed color2",
        "swing": "shape ground camera speed",
        "rise": "ground camera speed",
        "ink": "speed",
        "waves": "shape camera speed",
    }.items()
}
"""Which slots an event shows: a slot that the picture cannot show is always *unspecified* in training."""


def slot_index(slot: str) -> int:
    """Column of ``slot`` in a concept-id tensor ``[B, len(SLOT_NAMES)]``."""
    return SLOT_NAMES.index(slot)


def concept_id(slot: str, value: str) -> int:
    """Id (from 1) of ``value`` in ``slot``. Raises ``ValueError`` for a value that the world lacks."""
    concepts = SLOTS["color" if slot == COLOR2 else slot]
    return 1 + [c.value for c in concepts].index(value)
