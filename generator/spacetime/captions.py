"""Sentences about scenes, in English and Chinese: prompts for evaluation and demos, with known truth.

``read_prompt(caption(labels, ...))`` gives the labels back; a test holds the two together.
"""

import random

from .concepts import COLOR2, EVENTS, SLOTS, USES, slot_index

_EN = {
    "bounce": ("a {color} {shape} {event} {ground}", "{ground} , a {color} {shape} {event}"),
    "throw": ("a {color} {shape} is {event} {speed} {direction} {ground}",),
    "roll": ("a {color} {shape} {event} {speed} {direction} {ground}",),
    "collide": ("a {color} ball and a {color2} ball {event} {speed} {ground}",),
    "swing": ("a {color} {shape} {event} {speed} {ground}",),
    "rise": ("a {color} balloon rises {speed} {ground}",),
    "ink": ("{color} ink spreads {speed}",),
    "waves": (
        "a {color} {shape} floats on the waves {speed}",
        "on the ocean floats a {color} {shape} {speed}",
    ),
}
_ZH = {
    "bounce": ("{ground}一个{color}{shape}{event}", "一个{color}的{shape}在{ground}{event}"),
    "throw": ("{ground}一个{color}{shape}被{speed}抛出，{direction}",),
    "roll": ("{ground}一个{color}{shape}{speed}{direction}{event}",),
    "collide": ("{ground}{color}球和{color2}球{speed}{event}",),
    "swing": ("{ground}一个{color}{shape}{speed}{event}",),
    "rise": ("{ground}一个{color}气球{speed}上升",),
    "ink": ("{color}墨水{speed}扩散",),
    "waves": ("海浪上漂着一个{color}{shape}，{speed}",),
}
_EN_EVENT = {
    "bounce": "falls and bounces",
    "throw": "thrown",
    "roll": "rolls",
    "collide": "collide",
    "swing": "swings",
}


def caption(labels: list[int], language: str, choice: random.Random | None = None) -> str:
    """A sentence that says all that ``labels`` (one concept id per slot, 0: unsaid) say.

    ``language``: ``"en"`` or ``"zh"``. With ``choice`` template and synonyms vary; without, they are
    canonical.
    """
    event = EVENTS[labels[0] - 1]

    def words(slot: str) -> str:
        number = labels[slot_index(slot)]
        if number == 0:
            return ""
        concept = SLOTS["color" if slot == COLOR2 else slot][number - 1]
        options = concept.en if language == "en" else concept.zh
        # Short Chinese forms (红, 左) would join with their neighbours into other words.
        options = tuple(o for o in options if language == "en" or len(o) > 1 or slot == "shape")
        vary = choice is not None and slot in ("color", COLOR2, "speed")
        return choice.choice(options) if choice is not None and vary else options[0]

    said = {slot: words(slot) for slot in (*SLOTS, COLOR2)}
    if language == "en":
        said["event"] = _EN_EVENT.get(event, said["event"])
    templates = (_EN if language == "en" else _ZH)[event]
    sentence = (choice.choice(templates) if choice else templates[0]).format(**said)
    comma = ", " if language == "en" else "，"
    tail = [said[slot] for slot in ("light", "camera") if slot in USES[event] and said[slot]]
    return " ".join(comma.join([sentence.strip(" ，"), *tail]).replace(" ,", ",").split())
