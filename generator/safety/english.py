"""The English grammar of a rewrite: styles move to the end of their sentence, things are replaced where they stand."""

import re
from collections.abc import Mapping

from generator.safety.mentions import ROLES, STYLES, THINGS, Mention, Said

_ANY = f"{STYLES}{THINGS}"
_MADE = (
    r"(?:(?:shot|filmed|made|painted|drawn|rendered|animated|photographed|directed|designed|illustrated|styled|composed|"
    r"lit|graded|colou?red|created|produced|imagined|written|set|done|presented|depicted|framed|told|staged|recreated)\s+)"
)
_HOW = r"(?:(?:exactly|very much|strongly|heavily|loosely|clearly|faithfully|kind of|sort of|just)\s+)?"
_QUALITY = (
    r"(?:(?:visual|film|art|artistic|cinematic|signature|unique|exact|distinctive|typical|classic|iconic|famous|early|late|"
    r"general|overall|unmistakable|whimsical|painterly|animated|animation|anime|retro|moody|beautiful|same)\s+)*"
)
_LOOK = (
    r"(?:styles?|manner|looks?|aesthetics?|feel|feeling|vein|spirit|moods?|vibes?|tradition|fashion|tones?|techniques?|"
    r"language|sensibility|palettes?|colou?rs?|cinematography|lighting|framing|compositions?|"
    r"art ?styles?|artworks?|art)\b"
)
_MEDIUM = (
    r"(?:films?|movies?|paintings?|photographs?|photos?|illustrations?|drawings?|animations?|anime|comics?|manga|games?|"
    r"cartoons?|pictures?|works?|posters?|portraits?)\b"
)
_ONE = (
    r"(?:(?:the|director|film ?maker|artist|painter|photographer|legendary|great|late)\s+)*"
    rf"[{_ANY}](?:['’]s?(?![a-z]))?"
)
_JOIN = (
    r"(?:\s*,\s*(?:and\s+|or\s+)?|\s+(?:and|or|x|meets|plus|mixed with|crossed with|combined with)\s+|\s*[/+&×]\s*|"
    r"\s+(?:(?:film|movie|game|series|classic|masterpiece)\s+)?)"
)
_LIST = rf"(?:both\s+)?{_ONE}(?:{_JOIN}{_ONE})*"
_LIKE = r"(?:[\s-]+(?:inspired|esque|like|ish|styled|type|flavou?red|themed|core|style)\b)"
_TAIL = rf"{_LIKE}*(?:\s+{_QUALITY}(?:{_LOOK}|{_MEDIUM}))?"
_ENDS = (
    r"(?=\s*(?:$|[.,;:!?)\"”]|(?:with|at|in|on|and|as|but|while|where|under|over|during|for|by|from|then|that|which|showing|"
    r"of|near|through|across|inside|against|along|around|please)\b))"
)

_BOUND = [
    # "in the style of X", "with the look of X and Y"
    rf",?\s*\b{_MADE}?{_HOW}(?:in|with|after|using|following|copying|imitating|mimicking|evoking|channell?ing|adopting)\s+"
    rf"(?:(?:the|a|an|that)\s+)?{_QUALITY}(?:{_LOOK}|{_MEDIUM})\s+(?:of|from|by|like)\s+{_LIST}{_TAIL}",
    # "in X style", "with X's palette"
    rf",?\s*\b{_MADE}?{_HOW}(?:in|with|using)\s+(?:(?:the|a|an)\s+)?{_QUALITY}{_LIST}"
    rf"(?:{_LIKE}+|{_LIKE}*[\s-]+{_QUALITY}{_LOOK}){_ENDS}",
    # "by X", "inspired by X", "as if shot by X", "a homage to X"
    rf",?\s*\b(?:as if\s+{_MADE}by|as\s+{_MADE}by|{_HOW}{_MADE}?(?:by|à la|a la)|"
    rf"{_HOW}(?:inspired|influenced|informed) by|"
    rf"reminiscent of|evocative of|in (?:homage|tribute) to|(?:as )?an? (?:homage|tribute|nod) to|"
    rf"{_HOW}(?:copying|imitating|mimicking|channell?ing|evoking))\s+(?:the\s+)?{_QUALITY}{_LIST}{_TAIL}",
    # "like X", "like a scene from an X film"
    rf",?\s*\b(?<!look )(?<!looks )(?<!looking )(?<!feel )(?<!feels )(?<!seem )(?<!seems )(?<!is )(?<!something )"
    rf"(?:just )?like\s+(?:(?:the|a|an|something)\s+)?(?:(?:scene|shot|frame|still)\s+)?(?:(?:from|by|in|out of)\s+)?"
    rf"(?:(?:the|a|an)\s+)?{_LIST}{_TAIL}",
]
_LOOKS_LIKE = (
    rf"\b(?P<verb>look|looks|looking|feel|feels|seem|seems|is|something) like\s+(?:(?:the|a|an)\s+)?"
    rf"(?:(?:scene|shot|frame|still)\s+(?:from|by|in|out of)\s+(?:(?:the|a|an)\s+)?)?{_LIST}{_LIKE}*"
    rf"(?:\s+(?P<medium>{_MEDIUM}))?"
)
_AS_A_PERSON = [
    rf"\b(?P<before>(?:portrait|photo|photograph|picture|statue|biography|likeness|face|voice|story) of|interview with|"
    rf"conversation with|starring|featuring|meets?|meeting|about)\s+(?P<sign>[{STYLES}])(?!{_LIKE})",
    rf"(?P<before>)(?P<sign>[{STYLES}])(?=['’]s (?:face|voice|hands?|portrait|house|interview|life|speech|smile)\b)",
    rf"(?P<before>)(?P<sign>[{STYLES}])(?=\s+(?:is|was|sits?|stands?|walks?|talks?|speaks?|smiles?|waves?|directs?|paints?|"
    r"draws?|holds?|eats?|gives?|explains?|announces?|receives?|accepts?|signs?|visits?|dances?|sings?|cooks?|wears?|rides?|"
    r"drives?|reads?|laughs?|shakes?|opens?|sitting|standing|walking|talking|speaking|smiling|directing|holding|eating|giving|"
    r"explaining|announcing|signing|visiting|dancing|cooking|playing|wearing|riding|driving|reading|laughing)\b)",
]
_LOOK_IN_PLACE = rf"(?:\b(?:the|a|an)\s+)?{_LIST}(?:{_LIKE}+|{_LIKE}*[\s-]+{_QUALITY}{_LOOK}){_ENDS}"
_ATTRIBUTIVE = (
    rf"(?:\b(?P<article>the|an?)\s+)?(?P<list>{_LIST}){_LIKE}*\s+(?=(?P<next>[a-z0-9]+))"
    rf"(?!(?:{_LOOK}){_ENDS})"
)
_NO_NOUN = frozenset(
    "with at in on and as but while where under over during for by from then that which showing of near through across "
    "inside against along around or to into is are was were please".split()
)
_LEADS = frozenset(
    "a an the of like want is it be as with in to by more very style look mode give me get use using for than "
    "from and or".split()
)
_DETERMINERS = (
    "a|an|the|this|that|my|your|his|her|its|our|their|some|any|every|each|another|one|these|those|two|three|four|five|six|"
    r"seven|eight|nine|ten|a dozen|many|several|few|\d+"
)
_PLURAL_DETERMINERS = re.compile(
    r"these|those|two|three|four|five|six|seven|eight|nine|ten|a dozen|many|several|few|[2-9]|\d\d+",
    re.IGNORECASE,
)
_ADJECTIVES = (
    "giant|huge|tiny|small|little|big|large|tall|old|young|older|younger|angry|happy|sad|cute|adorable|baby|chibi|mini|lone|"
    "lonely|real|fake|life-?size|golden|red|blue|green|black|white|pink|purple|silver|orange|yellow|brown|grey|gray|brave|evil|"
    "friendly|fierce|fluffy|shiny|wet|muddy|sleepy|tired|cool|cheerful|elderly|middle-aged|teenage|cartoon|animated|realistic|"
    "photorealistic|classic|vintage|modern|retro|famous|new|plush|inflatable|stone|bronze|lego|beautiful|handsome|smart|fat"
)
_PARTICIPLES = r"[a-z]+(?:ing|ed|ish|ous|ful)"
_TITLES = (
    r"(?:(?:(?:former|late|legendary|popular|superstar|acclaimed|ex)[\s-]+)*"
    rf"(?:(?:(?-i:[A-Z])[\w&.]*|[{THINGS}])\s+){{0,2}}(?:ceo|chief executive|founder|co-founder|chairman)\s+|"
    r"(?:(?:former|late|legendary|popular|superstar|acclaimed|ex)[\s-]+)*(?:(?:us|u\.s\.|american|french|russian|chinese|"
    r"british|german|indian|ukrainian|korean|japanese)\s+)?(?:vice president|president|prime minister|chancellor|"
    r"senator|governor|mayor|king|queen|prince|princess|pope|sir|mr\.?|mrs\.?|ms\.?|dr\.?|professor|singer|rapper|actor|actress|"
    r"comedian|footballer|pop star|movie star|star|billionaire|entrepreneur|influencer|youtuber|streamer|"
    r"director|artist|painter|photographer)\s+)?"
)
_HEAD_NOUNS = (
    "bottles?|cans?|cups?|logos?|stores?|shops?|restaurants?|cafes?|cars?|trucks?|shoes?|sneakers?|bags?|handbags?|watch|watches|"
    "t-?shirts?|shirts?|jerseys?|hats?|caps?|hoodies?|adverts?|ads?|commercials?|billboards?|signs?|posters?|toys?|figures?|"
    "figurines?|costumes?|masks?|cosplay|dolls?|plushies?|plush|characters?|movies?|films?|games?|fans?|stickers?|cards?|boxes|"
    "box|ships?|sets?|merchandise|theme|universe|world|scenes?|fights?|battles?|episodes?|series|trailers?|"
    "lunch ?box|cakes?|balloons?|statues?|bricks?|engines?|packaging|vending|delivery|"
    "employees?|drive-?through|campaigns?"
)
_THING = re.compile(
    rf"(?:\b(?P<det>{_DETERMINERS})\s+(?P<adj>(?:(?:{_ADJECTIVES}|{_PARTICIPLES}),?\s+){{0,3}})|"
    rf"\b(?P<adj2>(?:(?:{_ADJECTIVES}),?\s+){{1,3}})|)(?:(?<!\w){_TITLES})(?P<sign>[{THINGS}])"
    rf"(?P<noun>(?=\s+(?:{_HEAD_NOUNS})\b|-)|)(?P<genitive>['’]s\b|)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[^.!?;\n]*(?:\.(?=\w)[^.!?;\n]*)*[.!?;\n]*\s*")


def rewritten(text: str, named: Mapping[str, Mention]) -> str:
    """`text`, in which the signs of `named` stand for names, without them."""
    named = dict(named)
    text = _as_persons(text, named)
    said: list[str] = []
    text = "".join(_styled(sentence, named, said) for sentence in _SENTENCE.findall(text))
    text = _with_things(text, named)
    text = re.sub(r"[ \t]{2,}", " ", re.sub(r"[ \t]+(?=[,.;!?])", "", text))
    return re.sub(r"^[\s,;]+|[\s,]+$", "", re.sub(r",(?:\s*,)+", ",", text))


def _as_persons(text: str, named: dict[str, Mention]) -> str:
    """Makers that are meant as persons become things, with a role for their name."""

    def cast(found: re.Match[str]) -> str:
        mention = named[found.group("sign")]
        assert mention.maker is not None
        role = ROLES[mention.maker]
        sign = chr(ord(found.group("sign")) - ord(STYLES[0]) + ord(THINGS[0]))
        named[sign] = mention._replace(instead_en=role[0], instead_zh=role[1], maker=None)
        return f"{found.group('before')} {sign}" if found.group("before") else sign

    for pattern in _AS_A_PERSON:
        text = re.sub(pattern, cast, text, flags=re.IGNORECASE)
    return text


def _styled(sentence: str, named: Mapping[str, Mention], said: list[str]) -> str:
    """A sentence whose styles are said as techniques, at its end where the name can be lifted out."""
    if not re.search(f"[{STYLES}]", sentence):
        return sentence
    capital = sentence.lstrip()[:1].isupper()
    lifted: list[str] = []

    def lift(found: re.Match[str]) -> str:
        if not re.search(f"[{STYLES}]", found.group()):
            return found.group()
        lifted.extend(_techniques(found.group(), named, said))
        starts = found.start() == 0 or not found.string[: found.start()].strip()
        comma_before = found.group().lstrip()[:1] == ","
        return (
            ""
            if starts
            else ("," if comma_before and found.string[found.end() :].lstrip()[:1] != "," else " ")
        )

    def look_like(found: re.Match[str]) -> str:
        techniques = _techniques(found.group(), named, said)
        if not techniques:
            return found.group()
        medium = re.sub(r"s$", "", found.group("medium") or "picture")
        return f"{found.group('verb')} like {_article(medium)} {medium} with {', '.join(techniques)}"

    def in_place(found: re.Match[str]) -> str:
        techniques = ", ".join(_techniques(found.group(), named, said))
        if not techniques:
            return found.group() if not re.search(f"[{STYLES}]", found.group()) else ""
        before = found.string[: found.start()].rstrip()
        after = found.string[found.end() :]
        leads = not before or before[-1] in ",:(" or before.split()[-1].lower() in _LEADS
        return ("" if leads else ", ") + techniques + (", " if re.match(r"\s*\w", after) else "")

    def attributive(found: re.Match[str]) -> str:
        following = found.group("next").lower()
        if following in _NO_NOUN or not re.search(f"[{STYLES}]", found.group()):
            return found.group()
        lifted.extend(_techniques(found.group(), named, said))
        article = found.group("article")
        genitive = re.search(r"['’]s?$", found.group("list"))
        if article is None and genitive and not re.search(r"[^s]s$", following):
            article = "a"
        if article is None:
            return ""
        fitted = article if article.lower() == "the" else _article(following)
        return (fitted.capitalize() if article[0].isupper() else fitted) + " "

    sentence = re.sub(_LOOKS_LIKE, look_like, sentence, flags=re.IGNORECASE)
    for pattern in _BOUND:
        sentence = re.sub(pattern, lift, sentence, flags=re.IGNORECASE)
    sentence = re.sub(_LOOK_IN_PLACE, in_place, sentence, flags=re.IGNORECASE)
    sentence = re.sub(_ATTRIBUTIVE, attributive, sentence, flags=re.IGNORECASE)
    sentence = re.sub(rf"(?:\b(?:the|a|an)\s+)?{_LIST}", in_place, sentence, flags=re.IGNORECASE)

    ending = re.search(r"[\s.!?;,]*$", sentence)
    assert ending is not None
    body = sentence[: ending.start()].lstrip(" ,")
    parts = ([body] if body else []) + lifted
    sentence = ", ".join(parts) + ending.group().replace(",", "")
    return sentence[:1].upper() + sentence[1:] if capital else sentence


def _techniques(stretch: str, named: Mapping[str, Mention], said: list[str]) -> list[str]:
    """The techniques of the styles in a stretch that were not said yet."""
    fresh = []
    for sign in re.findall(f"[{STYLES}]", stretch):
        technique = named[sign].instead_en
        if technique not in said:
            said.append(technique)
            fresh.append(technique)
    return fresh


def _with_things(text: str, named: Mapping[str, Mention]) -> str:
    said = Said()
    # Written in sentences, not as a list of tags: then a sentence begins with a capital.
    sentences = bool(re.search(rf"[A-Za-z)]\.\s*$|[.!?]\s+[A-Z{THINGS}]", text))

    def fitted(found: re.Match[str]) -> str:
        mention = named[found.group("sign")]
        phrase = mention.instead_en
        bare = re.sub(r"^(?:an?|the) ", "", phrase)
        is_plural = bare == phrase
        det, adjectives = found.group("det"), found.group("adj") or found.group("adj2") or ""
        if mention.plural or (det and _PLURAL_DETERMINERS.fullmatch(det)):
            bare = bare if is_plural else _plural(bare)
            is_plural = True
        before = said.before(phrase, mention.span)
        attributive = found.group("noun") is not None and _is_attributive(found)
        if before == "another" and not is_plural and not attributive and det is None:
            bare = "another " + adjectives + bare
        elif before == "the same" and not attributive and det is None:
            bare = "the " + adjectives + bare
        elif det is not None:
            first = adjectives or bare
            article = _article(first) if det.lower() in ("a", "an") else det
            bare = (article.capitalize() if det[0].isupper() else article) + " " + adjectives + bare
        elif is_plural or attributive:
            bare = adjectives + bare
        else:
            first = adjectives or bare
            bare = _article(first) + " " + adjectives.lower() + bare
        starts = not re.search(r"[\w,:'\"]\s*$", found.string[: found.start()])
        if starts and (found.group()[:1].isupper() or sentences):
            bare = bare[:1].upper() + bare[1:]
        genitive = found.group("genitive")
        return bare + ("’" if genitive and bare.endswith("s") else genitive)

    return _THING.sub(fitted, text)


def _is_attributive(found: re.Match[str]) -> bool:
    return bool(re.match(rf"-|\s+(?:{_HEAD_NOUNS})\b", found.string[found.end("sign") :], re.IGNORECASE))


def _article(word: str) -> str:
    word = word.lower()
    if re.match(r"uni(?!n)|use|one\b|euro|u-", word):
        return "a"
    return "an" if re.match(r"[aeiou]|hour|honest|[8]|1[18]\b", word) else "a"


def _plural(phrase: str) -> str:
    head, _, tail = phrase.partition(" of ")
    if re.search(r"(?:[sx]|[cs]h)$", head):
        head += "es"
    elif re.search(r"[^aeiou]y$", head):
        head = head[:-1] + "ies"
    elif re.search(r"sman$|dman$", head):
        head = head[:-3] + "men"
    else:
        head += "s"
    return head + (f" of {tail}" if tail else "")
