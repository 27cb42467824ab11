"""The Chinese grammar of a rewrite: styles move to the end of their sentence, things are replaced where they stand."""

import re
from collections.abc import Mapping

from generator.safety.mentions import ROLES, STYLES, THINGS, Mention, Said

_ANY = f"{STYLES}{THINGS}"
_ONE = rf"(?:导演|大师|画家|艺术家|摄影师|漫画家)?\s*[{_ANY}]\s*(?:导演|大师|老师|监督|工作室)?(?:的)?(?=.|$)"
_JOIN = r"\s*(?:、|和|与|跟|及|以及|加上?|混搭|融合|结合|[+&×/,，]|\bx\b|\band\b)?\s*"
_LIST = rf"{_ONE}(?:{_JOIN}{_ONE})*"
_MEDIA = "(?:电影|影片|动画片?|漫画|游戏|绘画|摄影|画作|作品|影像|艺术|美术|视觉|镜头|插画|油画|海报)"
_LOOK = (
    rf"\s*{_MEDIA}*(?:般)?的?(?:独特|经典|标志性|典型|那种|招牌|一贯|早期|独有)*的?"
    r"(?:风格化?|画风|手法|美学|气质|感觉|质感|味道|调调|氛围|色调|滤镜|镜头语言|光影|构图|影调|笔触|笔法|既视感|审美|调性|"
    r"同款|风(?![格景光筝暴车雪衣吹中雨铃浪味貌])|感(?![觉动受谢恩情])|味(?!道)|范儿|式|系(?![列统])|\s*style|\s*vibe)"
)
_BIND = (
    "(?:完全|全程|整体|全片|画面|请)?(?:使用|采用|运用|借鉴|参考|仿照|按照|依照|模仿|效仿|复刻|致敬|"
    "套用|沿用|学习|按|用|以|仿|学|走)"
)
_LIKE = "(?:就像|好像|仿佛|如同|犹如|好似|宛如|像|如|似)"
_ASPECT = "(?:构图|光影|色调|画面|镜头|质感|运镜|配色|布光|布景)"
_GOES_ON = rf"(?=\s*(?!{_ASPECT}?(?:[，,。！!？?；;]|$))[^\s，,。．.！!？?；;、：:）)」』”])"

_LIFTED = [
    rf"{_BIND}{_LIST}(?:{_LOOK})?(?:来|去|之)?的?[，,]?{_GOES_ON}",
    rf"{_LIKE}{_LIST}(?:{_MEDIA})?(?:里|中|下|内|上|笔下|镜头下)?(?:描绘|呈现|拍摄)?(?:那样|一样|那般|一般|般|那种|似)?的{_GOES_ON}",
    rf"(?:出自|来自)?{_LIST}(?:笔下|镜头下|手下|世界里?|宇宙里?)的?{_GOES_ON}",
    rf"由{_LIST}(?:执导|导演|绘制|拍摄|制作|创作|设计|掌镜)的?{_GOES_ON}",
    rf"{_LIST}(?:{_LOOK})的?{_GOES_ON}",
    rf"{_LIST}{_MEDIA}(?:里|中)?的?{_GOES_ON}",
    rf"{_LIST}(?:里|中)的{_GOES_ON}",
]
_PERSON_DOES = (
    "在|正在?|坐|站|走|说|拿|戴|穿|手持|手拿|抱|骑|开着|吃|喝|笑|微笑|挥手|演讲|出席|接受|亲自|本人|牵|"
    "看着|看向|宣布|拥抱|跳舞|唱歌"
)
_AS_A_PERSON = [
    rf"(?P<before>采访|拜访|遇见|遇到|扮演|饰演|关于|关注|名叫|邀请)\s*(?P<sign>[{STYLES}])(?!{_LOOK})",
    rf"(?P<before>)(?P<sign>[{STYLES}])(?:导演|大师|老师|先生|女士)?(?=\s*(?:{_PERSON_DOES}|的(?:脸|肖像|声音|画像|雕像|手(?![法绘工笔])|照片|采访)))",
]
_IN_PLACE = rf"{_LIST}(?:{_LOOK})?(?:的)?(?:{_ASPECT}(?=[，,。！!？?；;]|$))?"
_LEAD_VERB = re.compile(
    r"(?:成|为|是|要|用|以|像|如|做|有|走|按|仿|学|来点|来个|呈现出?|采用|模仿|致敬|参考|风格|一种|带着?|充满|更)$"
)
_CLASSIFIERS = "位个名只条头匹辆艘座部台群支种款瓶杯件双处道家队"
_TITLES = (
    rf"(?:(?:美国|中国|俄罗斯|法国|英国|日本|韩国|德国|乌克兰|印度|前|现任|时任|著名|知名|当红|已故|世界首富|亿万富翁|[{THINGS}]\s*|特斯拉|"
    r"苹果|微软|谷歌|腾讯)*(?:总统|首相|主席|总理|国王|女王|教皇|ceo|创始人|总裁|董事长|首席执行官|歌手|演员|明星|影星|球星|主持人|"
    r"企业家|作家|网红|导演|画家|艺术家|富豪)\s*)?"
)
_THING = re.compile(
    rf"(?P<held>[一二两三四五六七八九十几这那每某\d]+\s*[{_CLASSIFIERS}]|的)?\s*{_TITLES}(?P<sign>[{THINGS}])(?:先生|女士|本人|老师)?",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[^。！？；\n!?;]*[。！？；\n!?;]*")


def rewritten(text: str, named: Mapping[str, Mention]) -> str:
    """`text`, in which the signs of `named` stand for names, without them."""
    named = dict(named)
    text = _as_persons(text, named)
    said: list[str] = []
    text = "".join(_styled(sentence, named, said) for sentence in _SENTENCE.findall(text))
    text = _with_things(text, named)
    text = re.sub("(?<=[\u3400-\u9fff、，。])[ \t]+(?=[\u3400-\u9fff、，。])", "", text)
    return re.sub(r"^[\s，,；]+|[\s，,]+$", "", re.sub(r"[，,](?:\s*[，,])+", "，", text))


def _as_persons(text: str, named: dict[str, Mention]) -> str:
    """Makers that are meant as persons become things, with a role for their name."""

    def cast(found: re.Match[str]) -> str:
        mention = named[found.group("sign")]
        assert mention.maker is not None
        role = ROLES[mention.maker]
        sign = chr(ord(found.group("sign")) - ord(STYLES[0]) + ord(THINGS[0]))
        named[sign] = mention._replace(instead_en=role[0], instead_zh=role[1], maker=None)
        return found.group("before") + sign

    for pattern in _AS_A_PERSON:
        text = re.sub(pattern, cast, text)
    return text


def _styled(sentence: str, named: Mapping[str, Mention], said: list[str]) -> str:
    """A sentence whose styles are said as techniques, at its end where the name can be lifted out."""
    lifted: list[str] = []

    def lift(found: re.Match[str]) -> str:
        if not re.search(f"[{STYLES}]", found.group()):
            return found.group()
        lifted.extend(_techniques(found.group(), named, said))
        return ""

    def in_place(found: re.Match[str]) -> str:
        if not re.search(f"[{STYLES}]", found.group()):
            return found.group()
        techniques = "，".join(_techniques(found.group(), named, said))
        before = found.string[: found.start()].rstrip()
        after = found.string[found.end() :].lstrip()
        if _LEAD_VERB.search(before):
            return f"{techniques}的画面" if techniques else "这样的画面"
        opens = "" if not before or before[-1] in "，,、：:。（(" else "，"
        closes = "" if not after or after[0] in "，,、。；！？）)!?;" else "，"
        return opens + techniques + closes

    if not re.search(f"[{STYLES}]", sentence):
        return sentence
    for pattern in _LIFTED:
        sentence = re.sub(pattern, lift, sentence, flags=re.IGNORECASE)
    sentence = re.sub(rf"{_ONE}(?<=的)(?!{_LOOK}){_GOES_ON}", lift, sentence)
    sentence = re.sub(_IN_PLACE, in_place, sentence, flags=re.IGNORECASE)
    ending = re.search(r"[\s。！？；!?;，,]*$", sentence)
    assert ending is not None
    body = sentence[: ending.start()].lstrip("，, ")
    return "，".join(([body] if body else []) + lifted) + re.sub("[，,]", "", ending.group())


def _techniques(stretch: str, named: Mapping[str, Mention], said: list[str]) -> list[str]:
    """The techniques of the styles in a stretch that were not said yet."""
    fresh = []
    for sign in re.findall(f"[{STYLES}]", stretch):
        technique = named[sign].instead_zh
        if technique not in said:
            said.append(technique)
            fresh.append(technique)
    return fresh


def _with_things(text: str, named: Mapping[str, Mention]) -> str:
    said = Said()

    def fitted(found: re.Match[str]) -> str:
        mention = named[found.group("sign")]
        phrase = mention.instead_zh
        held = found.group("held") or ""
        before = said.before(phrase, mention.span)
        counted = re.match(f"一[{_CLASSIFIERS}]", phrase)
        if held:
            phrase = held + (phrase[counted.end() :] if counted else phrase)
        elif counted and before == "the same":
            phrase = "这" + phrase[1:]
        elif counted and before == "another":
            phrase = "另" + phrase
        return phrase

    return _THING.sub(fitted, text)
