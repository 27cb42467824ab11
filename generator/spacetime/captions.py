"""Sentences about scenes, in English and Chinese: prompts for evaluation and training, with known truth.

``read_prompt(caption(labels, ...))`` gives the labels back; a test holds the two together.

A sentence is a core (objects, event, speed, direction) and clauses (ground, light, weather, backdrop,
gravity, camera). ``_english`` and ``_chinese`` put them together; the tables say each value in words that
fit their place in a sentence, which the word lists of ``concepts`` do not.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeVar

from .concepts import COLOR2, SLOT_NAMES, SLOTS, STAGE, USES

Language = Literal["en", "zh", "mixed"]
T = TypeVar("T")

_CLAUSES = ("ground", "light", "weather", "backdrop", "gravity", "camera")
_EN: Final[dict[str, str]] = {
    # nouns: singular/plural
    "ball": "ball/balls|sphere/spheres",
    "box": "box/boxes|cube/cubes|block/blocks|crate/crates",
    "triangle": "triangle/triangles|pyramid/pyramids",
    "thing": "object/objects|thing/things",
    "balloon": "balloon/balloons",
    # events: after one object/after several/participle
    "bounce": "bounces/bounce/bouncing|falls and bounces/fall and bounce/falling and bouncing|drops/drop/dropping"
    "|bounces up and down/bounce up and down/bouncing up and down|hops/hop/bouncing|falls/fall/falling",
    "throw": "is thrown/are thrown/thrown|flies/fly/flying|is tossed/are tossed/tossed"
    "|is flung/are flung/flung|flies through the air/fly through the air/flying through the air",
    "roll": "rolls/roll/rolling|slides/slide/sliding|rolls along/roll along/rolling along",
    "collide": "collide/collide/colliding|crash/crash/colliding|bump into each other/bump into each other/colliding"
    "|hit each other/hit each other/colliding|crash into each other/crash into each other/colliding",
    "swing": "swings/swing/swinging|sways/sway/swaying|hangs on a rope/hang on a rope/hanging on a rope"
    "|swings on a rope/swing on a rope/swinging on a rope",
    "chain": "swings/swing/swinging|sways/sway/swaying|moves/move/moving",
    "rise": "rises/rise/rising|floats up/float up/floating up|ascends/ascend/ascending|drifts up/drift up/rising",
    "stack": "stacks up/stack up/stacking up|piles up/pile up/piling up|is stacked/are stacked/stacked"
    "|forms a tower/form a tower/stacked into a tower",
    "hide": "passes behind a wall/pass behind a wall/behind a wall|rolls behind a wall/roll behind a wall/"
    "rolling behind a wall|disappears behind a wall/roll behind a wall/behind a wall|hides behind a wall/"
    "roll behind a wall/behind the wall",
    "ink": "spreads/spread/spreading|spreads out/spread out/spreading out"
    "|spreads in water/spread in water/moving in water",
    "smoke": "rises/rise/rising|spreads/spread/spreading|moves up/move up/moving up",
    "waves": "floats on the waves/float on the waves/floating on the waves|floats on the sea/float on the sea/floating "
    "on the sea|bobs on the waves/bob on the waves/floating on the ocean|floats at sea/float at sea/floating at sea",
    "move": "moves/move/moving",
    # speed, direction, spring
    "slow": "slowly|gently|lazily|at a slow pace|unhurriedly",
    "normal": "steadily|at normal speed|at a steady pace",
    "fast": "fast|quickly|rapidly|swiftly|at high speed",
    "left": "to the left|leftwards|from right to left|towards the left",
    "right": "to the right|rightwards|from left to right|towards the right",
    "bouncy": "bouncy|springy|elastic|rubber|rubbery",
    "firm": "firm",
    "heavy": "heavy|massive|leaden|weighty",
    # clauses
    "grass": "on grass|on the grass|on green grass|on a lawn|on a meadow",
    "sand": "on sand|on the sand|on a beach|on yellow sand|in the desert",
    "snow": "on snow|on the snow|on white snow|on ice|on snowy ground",
    "stone": "on stone|on concrete|on the pavement|on a road|on a stone floor",
    "moon": "on the moon|on the lunar surface|on the surface of the moon",
    "day": "in daylight|by day|at noon|in the morning|in the sunshine|on a sunny day|under a blue sky",
    "dusk": "at dusk|at sunset|in the evening|at twilight|at golden hour",
    "night": "at night|in the moonlight|under the stars|at midnight|after dark|under a starry sky",
    "clear": "in clear weather|under a clear sky|under clear skies|in fair weather",
    "rain": "in the rain|while it rains|in heavy rain|in pouring rain|on a rainy day",
    "snowfall": "in falling snow|while it snows|in a snowstorm|in heavy snow",
    "hills": "with hills in the background|in front of hills|with rolling hills in the background",
    "mountains": "with mountains in the background|in front of mountains|with snowy mountains in the background",
    "city": "with a city in the background|in front of a city|with a skyline in the background",
    "open": "under an open horizon|with an open horizon in the background|on a wide plain",
    "earth": "in normal gravity|under normal gravity|in earth gravity",
    "low": "in low gravity|under low gravity|in weak gravity|in lunar gravity",
    "static": "static camera|fixed camera|the camera stays still|the camera does not move",
    "pan_left": "the camera pans left|camera panning left|the camera pans to the left|the camera moves left",
    "pan_right": "the camera pans right|camera panning right|the camera pans to the right|the camera moves right",
    "zoom_in": "the camera zooms in|camera zooming in|the camera pushes in|the camera moves closer",
    "zoom_out": "the camera zooms out|camera zooming out|the camera pulls back|the camera pulls away",
}
_ZH: Final[dict[str, str]] = {
    # nouns: measure words before the slash
    "ball": "个只颗/球|个颗/小球|个/圆球",
    "box": "个/方块|个只/箱子|个/盒子|个/立方体|个只/木箱",
    "triangle": "个/三角形|个/三角块|个/金字塔",
    "thing": "个/物体|个/东西",
    "balloon": "个只/气球",
    # events: ~ is where speed and direction stand
    "bounce": "~弹起|~弹跳|~落下|~上下弹跳|~弹来弹去|~落下又弹起|~坠落",
    "throw": "被~抛出|被~抛向空中|被~抛起|~飞过|被~投出",
    "roll": "~滚动|~滑动|~滚过|~滑行|~滚过去",
    "collide": "~相撞|~碰撞|~撞在一起|~迎面相撞|~对撞",
    "swing": "~摆动|~来回摆动|~荡来荡去|挂在绳子上~摆动|~摇摆",
    "chain": "~摆动|~来回摆动|~摇摆",
    "rise": "~上升|~升起|~升空|~飘起",
    "stack": "~叠起来|~堆叠|~垒起|~叠成塔|~堆起来",
    "hide": "~从墙后经过|~滚到墙后|~躲到墙后|~从墙后面滚过|~滚到墙后面",
    "ink": "~扩散|~散开|在水中~扩散|在水里~散开",
    "smoke": "~升起|~上升|~弥漫|~散开",
    "waves": "~漂浮在海面上|在海浪上~漂浮|~漂在水面上|在波浪上~起伏",
    "move": "~移动",
    # speed, direction, spring
    "slow": "慢慢地|缓慢地|缓缓|轻轻地|徐徐",
    "normal": "匀速|平稳地|以正常速度",
    "fast": "快速|飞快地|迅速|急速|高速",
    "left": "向左|往左|从右向左|向左边",
    "right": "向右|往右|从左向右|向右边",
    "bouncy": "有弹性的|弹力十足的|富有弹性的|橡胶",
    "firm": "普通的|结实的|坚实的",
    "heavy": "沉重的|笨重的|沉甸甸的",
    # clauses
    "grass": "草地上|草坪上|草原上|青草地上",
    "sand": "沙地上|沙滩上|沙漠里|海边",
    "snow": "雪地上|雪原上|冰面上|雪地里",
    "stone": "石地上|石板上|马路上|水泥地上|街道上",
    "moon": "月球上|月面上|月球表面上",
    "day": "白天|阳光下|中午|上午|下午",
    "dusk": "黄昏|傍晚|日落时|夕阳下|暮色中",
    "night": "夜晚|夜里|深夜|月光下|星空下|夜色中",
    "clear": "天气晴朗|晴空万里|万里无云|天空晴朗",
    "rain": "下着雨|雨中|天上下着雨|下着大雨|雨天",
    "snowfall": "下着雪|飘着雪花|天上飘着雪花|雪花飘落|下着大雪",
    "hills": "远处是山丘|背景是丘陵|远处有山丘",
    "mountains": "远处是高山|背景是群山|远处有高山|远处是雪山",
    "city": "远处是城市|背景是高楼|远处有城市|背景是城市",
    "open": "远处是平原|背景是平原|远处是开阔的平原",
    "earth": "正常重力下|重力正常|在正常重力下",
    "low": "低重力下|在低重力下|重力很低|失重状态下",
    "static": "固定镜头|镜头固定|镜头不动|镜头静止",
    "pan_left": "镜头向左平移|镜头左移|镜头向左移动|镜头往左移",
    "pan_right": "镜头向右平移|镜头右移|镜头向右移动|镜头往右移",
    "zoom_in": "镜头推近|镜头拉近|镜头逐渐推近|镜头推进",
    "zoom_out": "镜头拉远|镜头逐渐拉远|镜头后退|镜头推远",
}


def caption(
    labels: Sequence[int], language: Language, choice: random.Random | None = None, *, mixed: bool = False
) -> str:
    """A sentence that says all that ``labels`` (one concept id per slot of ``SLOT_NAMES``, 0: unsaid) say.

    ``language``: ``"en"``, ``"zh"``, or ``"mixed"``: one of them with a clause of the other, if there is a
    clause; ``mixed`` asks for the same with ``language`` as the first. With ``choice`` order and synonyms
    vary; without, they are canonical. An event of 0 gives the objects alone. Labels that the event does not
    use, the stage, and the second colour of a single object are not said.
    """
    said = _said(labels)
    pick = _Pick(choice)
    if language == "mixed":
        language, mixed = pick(("en", "zh")), True
    open_to_change = [slot for slot in _CLAUSES if slot in said]
    foreign = pick(open_to_change) if mixed and open_to_change else ""
    return _english(said, pick, foreign) if language == "en" else _chinese(said, pick, foreign)


def clauses(slot: str, value: str, language: Literal["en", "zh"]) -> tuple[str, ...]:
    """Ways to say one value after a comma, the canonical one first: ``"on grass"``, ``"rolling"``, 远处是高山.

    Raises ``KeyError`` for what has no clause: counts, and values that the world lacks.
    """
    if slot in ("color", COLOR2):
        concept = next(c for c in SLOTS["color"] if c.value == value)
        return tuple(f"colored {w}" for w in concept.en) if language == "en" else (f"颜色是{concept.zh[0]}",)
    forms = (_EN if language == "en" else _ZH)[value].split("|")
    if slot == "event":
        return tuple(form.split("/")[-1] if language == "en" else form.replace("~", "") for form in forms)
    if slot == "shape":
        return tuple(
            _article(form.split("/")[0]) if language == "en" else form.split("/")[1] for form in forms
        )
    return tuple(forms)


def _said(labels: Sequence[int]) -> dict[str, str]:
    """Slot to value, for what can be said."""
    said = {}
    for slot, number in zip(SLOT_NAMES, labels, strict=True):
        if number and slot != STAGE:
            said[slot] = SLOTS["color" if slot == COLOR2 else slot][number - 1].value
    if event := said.get("event"):
        said = {slot: value for slot, value in said.items() if slot in USES[event]}
    if said.get("count") == "one":
        said.pop(COLOR2, None)
    return said


class _Pick:
    """One of several: the first, or with a source of randomness any."""

    def __init__(self, choice: random.Random | None) -> None:
        self.choice = choice

    def __call__(self, options: Sequence[T]) -> T:
        return self.choice.choice(options) if self.choice else options[0]

    def word(self, table: Mapping[str, str], value: str) -> str:
        return self(table[value].split("|"))

    def color(self, value: str, language: str) -> str:
        """A colour's word; of the Chinese ones 红色 and its like, which may be cut to 红."""
        concept = next(c for c in SLOTS["color"] if c.value == value)
        words = (
            concept.en
            if language == "en"
            else [w for w in concept.zh if w[1:] == "色" and w[0] in concept.zh]
        )
        return self(words)

    def chance(self, share: float) -> bool:
        return self.choice is not None and self.choice.random() < share

    def shuffled(self, slots: list[str]) -> list[str]:
        return self.choice.sample(slots, len(slots)) if self.choice else slots


def _noun(said: Mapping[str, str]) -> str:
    event = said.get("event", "")
    fixed = {"collide": "ball", "chain": "ball", "rise": "balloon", "stack": "box"}
    return fixed.get(event) or said.get("shape", "thing")


def _article(words: str) -> str:
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def _english(said: Mapping[str, str], pick: _Pick, foreign: str) -> str:
    event = said.get("event", "")
    subject, several = _english_subject(said, pick)
    verb = event or ("move" if said.keys() & {"speed", "direction"} else "")
    one, many, participle = pick.word(_EN, verb).split("/") if verb else ("", "", "")
    manner = pick.word(_EN, said["speed"]) if "speed" in said else ""
    way = pick.word(_EN, said["direction"]) if "direction" in said else ""
    doing = many if several else one
    after = pick([[manner, way], [way, manner]])
    lead = ""
    if pick.chance(0.3):
        doing = participle
        lead = pick(
            ("a video of", "a clip of", "a scene with", "we see", "there are" if several else "there is")
        )
    elif manner.endswith("ly") and not doing.startswith(("is ", "are ")) and pick.chance(0.3):
        doing, after = f"{manner} {doing}", [way]
    core = [lead, subject, doing, *after]

    fronted = ""
    close: list[str] = []
    apart: list[str] = []
    for slot in pick.shuffled([slot for slot in _CLAUSES if slot in said]):
        words = pick.word(_ZH if slot == foreign else _EN, said[slot])
        if slot == foreign or slot == "camera":
            apart.append(words)
        elif not fronted and not lead and slot != "gravity" and pick.chance(0.25):
            fronted = words
        elif slot == "ground" or len(close) < 2 or pick.chance(0.3):
            close.append(words)
        else:
            apart.append(words)
    sentence = " ".join(part for part in (*core, *close) if part).replace(" ,", ",")
    sentence = ", ".join(part for part in (fronted, sentence.strip(","), *apart) if part)
    if pick.chance(0.3):
        sentence = sentence[0].upper() + sentence[1:] + "."
    return sentence


def _english_subject(said: Mapping[str, str], pick: _Pick) -> tuple[str, bool]:
    """Who or what acts, and whether it is several."""
    event = said.get("event", "")
    first, second = (pick.color(said[slot], "en") if slot in said else "" for slot in ("color", COLOR2))
    if event in ("ink", "smoke"):
        return f"{first} {pick(('ink', 'dye') if event == 'ink' else ('smoke', 'steam'))}".strip(), False
    if event == "chain":
        pendulum = pick(("double pendulum", "two-part pendulum"))
        if first and second and said["color"] != said[COLOR2]:
            balls = pick(
                (
                    f"{_article(first)} and {_article(second)} ball",
                    f"{_article(first)} ball and {_article(second)} one",
                )
            )
            return f"a {pendulum} with {balls}", False
        also = f", its second ball {second}," if second else ""
        return f"{_article(f'{first} {pendulum}'.strip())}{also}", False
    noun, nouns = pick.word(_EN, _noun(said)).split("/")
    count = "two" if event == "collide" else said.get("count", "")
    spring = f"{pick.word(_EN, said['spring'])} " if "spring" in said else ""
    both = bool(first and second and said["color"] != said[COLOR2])
    if both:
        a, b = f"{spring}{first}", f"{spring}{second}"
        pair = f"{a} and {second}"
        forms = {
            "two": (
                f"{_article(a)} {noun} and {_article(b)} {noun}",
                f"{_article(a)} and {_article(b)} {noun}",
                f"one {a} {noun} and one {b} {noun}",
                f"two {pair} {nouns}",
                f"two {spring}{nouns}, one {first} and the other {second},",
            ),
            "three": (
                f"three {pair} {nouns}",
                f"two {a} {nouns} and {_article(b)} {noun}",
                f"{_article(a)} {noun} and two {b} {nouns}",
                f"three {spring}{nouns} in {first} and {second}",
            ),
            "": (f"{pair} {nouns}", f"some {pair} {nouns}", f"{spring}{nouns} in {first} and {second}"),
        }
        return pick(forms[count]), True
    things = f"{spring}{first} " if first else spring
    also = ""
    if second:
        also = f", the second one {second}" + (" too," if first else ",")
    single = "count" not in USES.get(event, ()) or not pick.chance(0.4)
    if not count and not second and single and event != "stack":
        return _article(f"{things}{noun}"), False
    number = pick(
        {
            "one": ("one", "a single"),
            "two": ("two", "a pair of"),
            "three": ("three", "a trio of"),
            "": ("", "some"),
        }[count]
    )
    several = count != "one"
    return f"{number} {things}{nouns if several else noun}{also}".strip(), several


def _chinese(said: Mapping[str, str], pick: _Pick, foreign: str) -> str:
    event = said.get("event", "")
    manner = pick.word(_ZH, said["speed"]) if "speed" in said else ""
    way = pick.word(_ZH, said["direction"]) if "direction" in said else ""
    verb = event or ("move" if manner or way else "")
    doing = pick.word(_ZH, verb).replace("~", manner + way) if verb else ""
    subject, also = _chinese_subject(said, pick)

    place = ""
    before: list[str] = []
    after: list[str] = []
    for slot in pick.shuffled([slot for slot in _CLAUSES if slot in said]):
        words = pick.word(_EN if slot == foreign else _ZH, said[slot])
        if slot == foreign:
            (before if pick.chance(0.3) else after).append(words)
        elif slot == "ground":
            place = words
        elif slot in ("light", "weather") and (pick.choice is None or pick.chance(0.6)):
            before.append(words)
        else:
            after.append(words)
    form = pick((0, 1, 2, 3)) if place else 0
    if form == 1:
        before.append(place)
        core = f"{subject}{doing}"
    elif form == 2:
        core = f"{place}有{subject}{doing}"
    elif form == 3:
        before.append(f"在{place}")
        core = f"{subject}{doing}"
    else:
        core = f"{subject}{f'在{place}' if place else ''}{doing}"
    if pick.chance(0.15):
        before.insert(0, pick(("画面中", "视频", "一段视频")))
    sentence = "，".join([*before, core, *([also] if also else []), *after])
    return sentence + "。" if pick.chance(0.3) else sentence


def _chinese_subject(said: Mapping[str, str], pick: _Pick) -> tuple[str, str]:
    """Who or what acts, and a clause on the second one's colour."""
    event = said.get("event", "")
    first, second = (pick.color(said[slot], "zh") if slot in said else "" for slot in ("color", COLOR2))
    of = pick(("", "的"))
    if event in ("ink", "smoke"):
        return (first + of if first else "") + pick(
            ("墨水", "墨汁", "染料") if event == "ink" else ("烟雾", "烟", "浓烟")
        ), ""
    both = bool(first and second and said["color"] != said[COLOR2])
    also = f"第二个{'也' if first else ''}是{second}的" if second and not both else ""
    if event == "chain":
        pendulum = pick(("双摆", "复摆"))
        if both:
            return f"{first}和{second}的{pendulum}", ""
        return f"一个{first + of if first else ''}{pendulum}", also
    measures, noun = pick.word(_ZH, _noun(said)).split("/")
    measure = pick(tuple(measures))
    spring = pick.word(_ZH, said["spring"]) if "spring" in said else ""

    def things(color: str) -> str:
        """弹力十足的红球, 红色的方块"""
        if not color:
            return spring + noun
        if noun == "球" and pick(("short", "long")) == "short":
            return f"{spring}{color.removesuffix('色')}{noun}"
        return f"{spring}{color}{'' if spring else of}{noun}"

    count = said.get("count", "")
    if both:
        one, other = things(first), things(second)
        forms = {
            "two": (
                f"一{measure}{one}和一{measure}{other}",
                f"一{measure}{first}和一{measure}{second}的{noun}",
                f"两{measure}{first}和{second}的{noun}",
            ),
            "three": (
                f"三{measure}{first}和{second}的{noun}",
                f"两{measure}{one}和一{measure}{other}",
                f"一{measure}{one}和两{measure}{other}",
            ),
            "": (f"{one}和{other}", f"{first}和{second}的{noun}"),
        }
        options = forms[count]
        if spring:  # 红色和蓝色的有弹性的球 has one 的 too many
            options = options[1:] if count == "three" else options[:1]
        return pick(options), ""
    number = {"one": "一", "two": "两", "three": "三", "": ""}[count]
    if event == "collide":
        number = "两"
    elif event and "count" not in USES[event] and pick((True, False)):
        number = "一"  # goes without saying
    return f"{number + measure if number else ''}{things(first)}", also
