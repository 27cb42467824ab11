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
            "bounces|bounce|bouncing|falls|fall|falling|drops|drop|dropping|dropped|hops|hop",
            "弹起|弹跳|落下|掉下|下落|跳动|坠落|蹦跳",
        ),
        _c(
            "throw",
            "is thrown|are thrown|thrown|throws|throw|is tossed|tossed|toss|flies|fly|flying|hurled",
            "抛出|抛向|扔向|扔出|飞向|飞过|投出",
        ),
        _c("roll", "rolls|roll|rolling|slides|slide|sliding|glides", "滚动|滚|滚过|滑动|滑行|滑过"),
        _c(
            "collide",
            "collide|collides|colliding|crash|crashes|collision|bump into each other",
            "相撞|碰撞|撞上|撞击|对撞",
        ),
        _c("swing", "swings|swing|swinging|pendulum|hangs on a rope", "摆动|摇摆|钟摆|单摆|荡来荡去"),
        _c("chain", "double pendulum|pendulum chain|chained pendulum", "双摆|复摆|摆链"),
        _c(
            "rise",
            "rises|rise|rising|floats up|float up|ascends|balloon|balloons|lifts off",
            "上升|升起|升空|气球|飘起",
        ),
        _c(
            "stack",
            "stack up|stacks up|stacked|stack|stacking|tower of boxes|pile up|piled",
            "叠起来|堆叠|叠放|垒起|叠成塔|堆起来",
        ),
        _c(
            "hide",
            "behind a wall|rolls behind a wall|hides behind a wall|disappears behind a wall|passes behind a wall",
            "墙后|墙后面|躲到墙后|从墙后经过|滚到墙后",
        ),
        _c("ink", "ink spreads|ink|dye|drop of ink", "墨水|墨汁|墨滴|染料"),
        _c("smoke", "smoke rises|smoke|fumes|steam", "烟雾|浓烟|炊烟|烟|蒸汽"),
        _c(
            "waves",
            "floats on the waves|waves|wave|sea|ocean|on the water",
            "海浪|波浪|海面|大海|海上|水面上",
        ),
    ),
    "shape": (
        _c("ball", "ball|balls|sphere|spheres|circle|orb", "球|圆球|圆"),
        _c("box", "box|boxes|cube|cubes|square|block|blocks|crate", "方块|箱子|盒子|立方体|木箱"),
        _c("triangle", "triangle|triangles|pyramid|pyramids|wedge", "三角形|三角|金字塔"),
    ),
    "color": (
        _c("red", "red|crimson|scarlet", "红色|红|赤色"),
        _c("orange", "orange", "橙色|橘色|橙|橘"),
        _c("yellow", "yellow|golden", "黄色|金色|黄"),
        _c("green", "green|emerald", "绿色|绿"),
        _c("blue", "blue|azure", "蓝色|蓝"),
        _c("purple", "purple|violet", "紫色|紫"),
        _c("white", "white", "白色|白"),
        _c("black", "black", "黑色|黑"),
    ),
    "count": (
        _c("one", "one|a single", "一个|一只|一颗|单个"),
        _c("two", "two|a pair of", "两个|两只|两颗|一对"),
        _c("three", "three", "三个|三只|三颗"),
    ),
    "light": (
        _c(
            "day",
            "in daylight|by day|daylight|daytime|noon|in the morning|morning|sunny|blue sky|sunshine",
            "白天|阳光下|晴天|中午|早晨|蓝天",
        ),
        _c(
            "dusk",
            "at dusk|dusk|sunset|at sunset|in the evening|evening|twilight|golden hour",
            "黄昏|日落|傍晚|夕阳",
        ),
        _c(
            "night",
            "at night|night|moonlight|in the moonlight|starry|midnight|after dark",
            "夜晚|夜里|月光下|深夜|夜空|星空",
        ),
    ),
    "ground": (
        _c("grass", "on grass|grass|green grass|meadow|lawn|field", "草地上|草地|草坪|绿草|草原"),
        _c("sand", "on sand|sand|yellow sand|beach|desert|dunes", "沙地上|沙地|沙滩|沙漠|黄沙"),
        _c("snow", "on snow|white snow|snow|snowy ground|ice", "雪地上|雪地|白雪|雪原|冰面"),
        _c("stone", "on stone|stone|rock|concrete|pavement|street|road", "石地上|石地|石板|水泥地|岩石|街道|马路"),
        _c("moon", "on the moon|moon|lunar surface", "月球上|月球|月面"),
    ),
    "backdrop": (
        _c("hills", "hills in the background|hills|rolling hills|countryside", "远处是山丘|山丘|丘陵|乡村"),
        _c(
            "mountains",
            "mountains in the background|mountains|mountain|peaks|the alps",
            "远处是高山|高山|雪山|群山|山脉",
        ),
        _c(
            "city",
            "a city in the background|city|skyline|skyscrapers|towers|downtown",
            "远处是城市|城市|都市|高楼|摩天大楼|天际线",
        ),
        _c("open", "open horizon|wide plain|plain", "远处是平原|平原|空旷|一望无际"),
    ),
    "weather": (
        _c("clear", "in clear weather|clear sky|clear", "天气晴朗|晴朗|无云"),
        _c("rain", "in the rain|rain|rainy|raining|it rains|downpour", "下雨|雨中|雨天|大雨|细雨"),
        _c(
            "snowfall",
            "in falling snow|snowfall|it snows|snowing|snowflakes|snowstorm",
            "下雪|飘雪|雪花|大雪",
        ),
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
        _c("slow", "slowly|slow|gently|gentle|calm|lazily", "慢慢|缓慢|缓缓|轻轻|慢悠悠"),
        _c("normal", "steadily|at normal speed", "匀速|平稳"),
        _c("fast", "fast|quickly|quick|rapidly|swiftly", "快速|飞快|迅速|急速"),
    ),
    "direction": (
        _c("left", "to the left|leftward|leftwards|left", "向左|左边|左侧|往左|左"),
        _c("right", "to the right|rightward|rightwards|right", "向右|右边|右侧|往右|右"),
    ),
    "spring": (
        _c("bouncy", "bouncy|springy|elastic|rubber|rubbery", "有弹性|弹性|橡胶|皮球"),
        _c("firm", "firm", "普通"),
        _c("heavy", "heavy|leaden|lead|massive", "沉重|重重|笨重|铅"),
    ),
    "gravity": (
        _c("earth", "in normal gravity|normal gravity", "正常重力"),
        _c("low", "in low gravity|low gravity|weak gravity|weightless", "低重力|微重力|失重"),
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
_OUTDOORS = "ground backdrop weather camera"
USES: Final[dict[str, frozenset[str]]] = {
    event: frozenset({"event", "color", STAGE, "light", *extra.split()})
    for event, extra in {
        "bounce": f"shape count color2 spring gravity {_OUTDOORS}",
        "throw": f"shape speed direction spring gravity {_OUTDOORS}",
        "roll": f"shape speed direction {_OUTDOORS}",
        "collide": f"speed color2 {_OUTDOORS}",
        "swing": f"shape speed {_OUTDOORS}",
        "chain": f"color2 {_OUTDOORS}",
        "rise": f"count color2 speed {_OUTDOORS}",
        "stack": f"count color2 {_OUTDOORS}",
        "hide": f"shape speed direction {_OUTDOORS}",
        "ink": "speed",
        "smoke": f"speed direction {_OUTDOORS}",
        "waves": "shape count color2 speed weather camera",
    }.items()
}
"""Which slots an event shows: a slot that the picture cannot show is always *unspecified* in training."""

ONE_SHAPE: Final = {"collide": "ball", "chain": "ball", "rise": "ball", "stack": "box"}
"""Events that show one shape only; a prompt may name it, the model need not be told."""


def slot_index(slot: str) -> int:
    """Column of ``slot`` in a concept-id tensor ``[B, len(SLOT_NAMES)]``."""
    return SLOT_NAMES.index(slot)


def concept_id(slot: str, value: str) -> int:
    """Id (from 1) of ``value`` in ``slot``. Raises ``ValueError`` for a value that the world lacks."""
    concepts = SLOTS["color" if slot == COLOR2 else slot]
    return 1 + [c.value for c in concepts].index(value)
