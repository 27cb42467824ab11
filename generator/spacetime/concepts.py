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
            "bounces|bounce|bouncing|falls|fall|falling|drops|drop|dropping|dropped|hops|hop|"
            "bounces up and down|bounced",
            "弹起|弹跳|落下|掉下|下落|跳动|坠落|蹦跳|弹来弹去|上下弹跳|弹跳起来|弹起来|掉落|跳起",
        ),
        _c(
            "throw",
            "is thrown|are thrown|thrown|throws|throw|is tossed|tossed|toss|flies|fly|flying|hurled|"
            "throwing|hurl|flung|is flung|flying through the air",
            "抛出|抛向|扔向|扔出|飞向|飞过|投出|抛向空中|被抛出|被抛起|抛起|飞出|投掷|扔|抛",
        ),
        _c(
            "roll",
            "rolls|roll|rolling|slides|slide|sliding|glides|rolled|slid|rolls along",
            "滚动|滚|滚过|滑动|滑行|滑过|滚来|滚去|滚过去|滚动着|滚向|滑过去|滑到|滑|滚到|滚开",
        ),
        _c(
            "collide",
            "collide|hits another|hit another|hits the other|strikes another|collides|colliding|crash|"
            "crashes|collision|bump into each other|collided|crash into each other|hit each other|bump|"
            "bumps into|crashes into|collides with",
            "相撞|碰撞|撞上|撞击|对撞|撞在一起|相互碰撞|撞到一起|迎面相撞",
        ),
        _c(
            "swing",
            "swings|swing|swinging|pendulum|hangs on a rope|swung|swaying|sways|sway|pendulums|"
            "swings on a rope|swing on a rope|swinging on a rope|hanging on a rope",
            "摆动|摇摆|钟摆|单摆|荡来荡去|来回摆动|来回摇摆|荡秋千|摇晃",
        ),
        _c(
            "chain",
            "double pendulum|pendulum chain|chained pendulum|double-pendulum|double pendulums|"
            "two-part pendulum",
            "双摆|复摆|摆链|双重摆|双节摆",
        ),
        _c(
            "rise",
            "rises|rise|rising|floats up|float up|ascends|balloon|balloons|lifts off|float upward|"
            "floats upward|floating up|ascending|ascend|take off|takes off|fly up|flies up|flying up|"
            "drifts up|drift up",
            "上升|升起|升空|气球|飘起|飘上|飘向天空|飞上天|上浮|腾空",
        ),
        _c(
            "stack",
            "stack up|stacks up|stacked|stack|stacking|tower of boxes|pile up|piled|stacking up|"
            "tower of blocks|towers of boxes|tower of crates|piles up|piling up|stack of boxes|"
            "pile of boxes|stacked up|form a tower|forms a tower|into a tower",
            "叠起来|堆叠|叠放|垒起|叠成塔|堆起来|叠成一座塔|叠起|叠高|堆成塔|搭成塔|码起来|摞起来|"
            "堆成一堆|叠成一摞",
        ),
        _c(
            "hide",
            "behind a wall|rolls behind a wall|hides behind a wall|disappears behind a wall|"
            "passes behind a wall|behind the wall|behind a brick wall|hidden by a wall|"
            "vanishes behind a wall|past a wall|in back of a wall",
            "墙后|墙后面|躲到墙后|从墙后经过|滚到墙后|墙背后|墙壁后|墙壁后面|躲到墙后面|滚到墙后面|"
            "消失在墙后|墙的后面|一堵墙后面|一堵墙后",
        ),
        _c(
            "ink",
            "ink spreads|ink|dye|drop of ink|ink spreading|ink in water|drops of ink|spreading ink|inks",
            "墨水|墨汁|墨滴|染料|墨水扩散|墨汁扩散|一滴墨水",
        ),
        _c(
            "smoke",
            "smoke rises|smoke|fumes|steam|rising smoke|smoke rising|plume of smoke|plumes of smoke|"
            "column of smoke",
            "烟雾|浓烟|炊烟|烟|蒸汽|烟气|青烟|烟柱|烟雾升起",
        ),
        _c(
            "waves",
            "floats on the waves|waves|wave|sea|ocean|on the water|on the sea|at sea|on the ocean|"
            "floating on the waves|float on the waves|bobs on the waves|bob on the waves|rolling waves|"
            "ocean waves|sea waves|lake",
            "海浪|波浪|海面|大海|海上|水面上|波涛|海洋|海水|湖面|水上|海中",
        ),
    ),
    "shape": (
        _c(
            "ball",
            "ball|balls|sphere|spheres|circle|orb",
            "球|圆球|圆|圆形|小球|皮球",
        ),
        _c(
            "box",
            "box|boxes|cube|cubes|square|block|blocks|crate|squares|crates",
            "方块|箱子|盒子|立方体|正方体|长方体|木箱|小方块|小箱子|木块|积木|方形|方盒",
        ),
        _c(
            "triangle",
            "triangle|triangles|pyramid|pyramids|wedge|triangular",
            "三角形|三角|金字塔|小三角|三角块|三角锥",
        ),
    ),
    "color": (
        _c(
            "red",
            "red|crimson|scarlet",
            "红色|红|赤色|红颜色|鲜红",
        ),
        _c(
            "orange",
            "orange",
            "橙色|橘色|橙|橘|橘红|橙黄",
        ),
        _c(
            "yellow",
            "yellow|golden",
            "黄色|金色|黄|黄颜色",
        ),
        _c(
            "green",
            "green|emerald",
            "绿色|绿|绿颜色|翠绿",
        ),
        _c(
            "blue",
            "blue|azure",
            "蓝色|蓝|蓝颜色|天蓝|湛蓝",
        ),
        _c(
            "purple",
            "purple|violet",
            "紫色|紫|紫罗兰色",
        ),
        _c(
            "white",
            "white",
            "白色|白|雪白|洁白",
        ),
        _c(
            "black",
            "black",
            "黑色|黑|乌黑|漆黑",
        ),
    ),
    "count": (
        _c(
            "one",
            "one|a single|single",
            "一个|一只|一颗|单个|一枚|一粒|一块|仅一个|只有一个",
        ),
        _c(
            "two",
            "two|a pair of|pair of|a couple of",
            "两个|两只|两颗|一对|两枚|两粒|两块|二个|俩",
        ),
        _c(
            "three",
            "three|a trio of|trio of",
            "三个|三只|三颗|三枚|三粒|三块|仨",
        ),
    ),
    "light": (
        _c(
            "day",
            "in daylight|by day|daylight|daytime|noon|in the morning|morning|sunny|blue sky|sunshine|"
            "at noon|at midday|midday|afternoon|in the afternoon|in the sunshine|in bright daylight|"
            "on a sunny day|sunny day",
            "白天|阳光下|晴天|中午|早晨|蓝天|白昼|阳光|日光下|上午|下午|大白天|烈日下",
        ),
        _c(
            "dusk",
            "at dusk|dusk|sunset|at sunset|in the evening|evening|twilight|golden hour|in the twilight|"
            "in the evening light|at twilight|at golden hour|sunrise|at sunrise|dawn|at dawn|at nightfall",
            "黄昏|日落|傍晚|夕阳|暮色中|暮色|晚霞|日出|黎明|夕阳下",
        ),
        _c(
            "night",
            "at night|night|moonlight|in the moonlight|starry|midnight|after dark|in the dark of night|"
            "at midnight|under the stars|stars|starlight|moonlit|on a moonlit night|moonlit night|"
            "under the moon|full moon|night sky|under a starry sky|starry sky|starry night|in the night",
            "夜晚|夜里|月光下|深夜|夜空|星空|夜|夜间|夜色中|月光|星光下|月夜|午夜|夜幕下|月亮|月下",
        ),
    ),
    "ground": (
        _c(
            "grass",
            "on grass|grass|green grass|meadow|lawn|field|on the grass|on green grass|on a meadow|"
            "on a lawn|in a meadow|on a field|in a field|grassy ground|grassland|park",
            "草地上|草地|草坪|绿草|草原|青草地|青草|草坪上|绿草地|草原上|公园",
        ),
        _c(
            "sand",
            "on sand|sand|yellow sand|beach|desert|dunes|on the sand|on a beach|on the beach|"
            "in the desert|on sandy ground|sandy ground|on yellow sand|golden sand|golden beach|seaside|"
            "sandy",
            "沙地上|沙地|沙滩|沙漠|黄沙|沙滩上|沙漠里|沙漠中|沙子|沙子上|海边|海滩|金色沙滩|沙丘",
        ),
        _c(
            "snow",
            "on snow|white snow|snow|snowy ground|ice|on the snow|on snowy ground|on white snow|on ice|"
            "snow-covered ground|snow-covered|snowy|snowfield",
            "雪地上|雪地|白雪|雪原|冰面|雪|雪上|积雪|冰面上|冰上|雪原上|雪地里",
        ),
        _c(
            "stone",
            "on stone|stone|rock|concrete|pavement|street|road|on concrete|on a stone floor|"
            "on the street|on pavement|on the pavement|on a road|on the road|on rock|on the stone|"
            "stone floor|asphalt",
            "石地上|石地|石板|水泥地|岩石|街道|马路|石板上|水泥地上|街道上|街上|马路上|路面上|石头地|石头上",
        ),
        _c(
            "moon",
            "on the moon|moon|lunar surface|on the lunar surface|on the surface of the moon|"
            "surface of the moon|moonscape",
            "月球上|月球|月面|月面上|月球表面|月亮上|月球表面上",
        ),
    ),
    "backdrop": (
        _c(
            "hills",
            "hills in the background|hills|rolling hills|countryside|rolling hills in the background|"
            "hills behind|before hills|in front of hills|hilly countryside|green hills",
            "远处是山丘|山丘|丘陵|乡村|远处有山丘|背景是山丘|背景是丘陵|远处是丘陵|小山|小山坡|青山",
        ),
        _c(
            "mountains",
            "mountains in the background|mountains|mountain|peaks|the alps|snowy mountains|"
            "snowy mountains in the background|in front of mountains|before mountains|high mountains|"
            "snowy peaks",
            "远处是高山|高山|雪山|群山|山脉|远处有高山|背景是高山|背景是群山|远处是群山|远处是雪山|大山|远山",
        ),
        _c(
            "city",
            "a city in the background|city|skyline|skyscrapers|towers|downtown|"
            "a city skyline in the background|city skyline|in front of a city|before a city|cityscape|"
            "high-rises|buildings|a skyline in the background|in the city|urban",
            "远处是城市|城市|都市|高楼|摩天大楼|天际线|远处有城市|背景是城市|背景是高楼|远处是高楼|楼群|"
            "城市里|城里|高楼大厦|大楼",
        ),
        _c(
            "open",
            "open horizon|wide plain|plain|an open horizon in the background|under an open horizon|"
            "on a wide plain|flat horizon|plains|open plain|wide open space|wide-open",
            "远处是平原|平原|空旷|一望无际|远处是开阔的平原|背景是平原|开阔|空旷的原野|辽阔|地平线",
        ),
    ),
    "weather": (
        _c(
            "clear",
            "in clear weather|clear sky|clear|clear weather|under a clear sky|clear skies|"
            "under clear skies|cloudless|under a cloudless sky|cloudless sky|fair weather|in fair weather",
            "天气晴朗|晴朗|无云|天空晴朗|晴空|晴空下|万里无云|天晴|晴空万里|天朗气清",
        ),
        _c(
            "rain",
            "in the rain|rain|rainy|raining|it rains|downpour|in heavy rain|heavy rain|light rain|"
            "gentle rain|in light rain|pouring rain|in pouring rain|in the pouring rain|rainfall|"
            "rain falls|rain is falling|rains|falling rain|while it rains|it is raining|on a rainy day|"
            "rainy day|drizzle|rainstorm",
            "下雨|雨中|雨天|大雨|细雨|雨|雨里|雨水|下着雨|小雨|暴雨|天下着雨|天上下着雨|在雨中|雨下着|"
            "毛毛雨|雨点|下大雨|下小雨|雨季",
        ),
        _c(
            "snowfall",
            "in falling snow|snowfall|it snows|snowing|snowflakes|snowstorm|falling snow|snow falls|"
            "snow is falling|snow falling|in a snowstorm|in a snowfall|while it snows|it is snowing|"
            "snows|heavy snow|in heavy snow|heavy snowfall|light snow|blizzard|snowflakes fall|"
            "snowy weather",
            "下雪|飘雪|雪花|大雪|雪花飘落|下着雪|飘着雪|飘着雪花|天上飘着雪花|天下着雪|雪中|风雪中|"
            "暴风雪|小雪|雪天|在雪中|下大雪|下起雪",
        ),
    ),
    "camera": (
        _c(
            "static",
            "static camera|fixed camera|still camera|locked camera|the camera is static|"
            "the camera stays still|the camera holds still|the camera does not move|camera does not move|"
            "the camera is still|no camera movement|without camera movement|no camera motion|"
            "steady camera|locked-off camera",
            "固定镜头|镜头固定|静止镜头|镜头不动|镜头静止|镜头保持不动|相机不动|固定机位|摄像机不动",
        ),
        _c(
            "pan_left",
            "the camera pans left|the camera slowly pans left|camera slowly pans left|"
            "the camera slowly moves left|camera pans left|pan left|panning left|camera panning left|"
            "the camera pans to the left|camera pans to the left|the camera moves left|camera moves left|"
            "pans left|pan to the left|a pan to the left",
            "镜头向左平移|镜头左移|向左平移|镜头向左摇|镜头往左移|镜头向左移动|镜头往左平移|镜头左摇|"
            "向左移镜",
        ),
        _c(
            "pan_right",
            "the camera pans right|the camera slowly pans right|camera slowly pans right|"
            "the camera slowly moves right|camera pans right|pan right|panning right|"
            "camera panning right|the camera pans to the right|camera pans to the right|"
            "the camera moves right|camera moves right|pans right|pan to the right|a pan to the right",
            "镜头向右平移|镜头右移|向右平移|镜头向右摇|镜头往右移|镜头向右移动|镜头往右平移|镜头右摇|"
            "向右移镜",
        ),
        _c(
            "zoom_in",
            "the camera zooms in|the camera slowly zooms in|camera slowly zooms in|slowly zooms in|"
            "slow zoom in|close-up|camera zooms in|zoom in|zooming in|push in|zooms in|camera zooming in|"
            "the camera pushes in|camera pushes in|the camera moves closer|camera moves in|close in|"
            "dolly in",
            "镜头推近|镜头拉近|推近|镜头慢慢推近|镜头放大|镜头推进|镜头靠近|镜头逐渐推近",
        ),
        _c(
            "zoom_out",
            "the camera zooms out|the camera slowly zooms out|camera slowly zooms out|slowly zooms out|"
            "slow zoom out|camera zooms out|zoom out|zooming out|pull back|zooms out|camera zooming out|"
            "the camera pulls back|camera pulls back|the camera pulls away|camera pulls away|dolly out",
            "镜头拉远|镜头推远|拉远|镜头慢慢拉远|镜头缩小|镜头后退|镜头远离|镜头逐渐拉远",
        ),
    ),
    "speed": (
        _c(
            "slow",
            "slowly|slow|gently|gentle|calm|lazily|at a slow pace|in slow motion|slow motion|slow-motion|"
            "unhurriedly|slow-moving|leisurely",
            "慢慢|缓慢|缓缓|轻轻|慢悠悠|慢速|徐徐|慢|慢吞吞|慢动作|轻缓|悠悠|平缓",
        ),
        _c(
            "normal",
            "steadily|at normal speed|at a steady pace|at a normal pace|normal speed|steady pace|"
            "at medium speed",
            "匀速|平稳|正常速度|以正常速度|中速|不快不慢|稳稳",
        ),
        _c(
            "fast",
            "fast|quickly|quick|rapidly|swiftly|at high speed|high speed|speedily|at full speed|rapid|"
            "swift|speeding|at a fast pace",
            "快速|飞快|迅速|急速|快|高速|很快|疾速|迅猛|飞速",
        ),
    ),
    "direction": (
        _c(
            "left",
            "to the left|leftward|leftwards|left|from right to left|from the right|right to left|"
            "towards the left|toward the left|to left",
            "向左|左边|左侧|往左|左|从右边|从右侧|从右|从右向左|从右往左|从右到左|由右向左|自右向左|朝左|"
            "左方|向左边|向左侧|往左边",
        ),
        _c(
            "right",
            "to the right|rightward|rightwards|right|from left to right|from the left|left to right|"
            "towards the right|toward the right|to right",
            "向右|右边|右侧|往右|右|从左边|从左侧|从左|从左向右|从左往右|从左到右|由左向右|自左向右|朝右|"
            "右方|向右边|向右侧|往右边",
        ),
    ),
    "spring": (
        _c(
            "bouncy",
            "bouncy|springy|elastic|rubber|rubbery|made of rubber|very bouncy",
            "有弹性|弹性|橡胶|弹力十足|弹力|很有弹性|富有弹性|橡皮",
        ),
        _c(
            "firm",
            "firm|of normal firmness",
            "普通|结实|硬实|坚实",
        ),
        _c(
            "heavy",
            "heavy|leaden|lead|massive|weighty|made of lead|hefty",
            "沉重|重重|笨重|铅|很重|沉甸甸|铅制|重型",
        ),
    ),
    "gravity": (
        _c(
            "earth",
            "in normal gravity|normal gravity|earth gravity|in earth gravity|under normal gravity|"
            "under earth gravity|on earth",
            "正常重力|地球重力|重力正常|在正常重力下|正常重力下",
        ),
        _c(
            "low",
            "in low gravity|low gravity|weak gravity|weightless|zero gravity|in zero gravity|no gravity|"
            "without gravity|microgravity|in microgravity|weightlessly|under low gravity|lunar gravity|"
            "in weak gravity|in lunar gravity|low-gravity|reduced gravity",
            "低重力|微重力|失重|无重力|零重力|在低重力下|低重力下|重力很低|弱重力|重力很小|月球重力|"
            "在失重状态下|失重状态",
        ),
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
