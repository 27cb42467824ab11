"""An LLM guard as one more layer: Llama Guard or ShieldGemma, or what is built like them, from a local folder.

Optional, and off unless a folder is named. Llama Guard (Inan et al., arXiv:2312.06674) answers "safe", or "unsafe" and
the numbers of its categories; ShieldGemma (Zeng et al., arXiv:2407.21772) is asked about one guideline at a time and
answers "Yes" or "No". Weights are safetensors, and code that comes with a model is never run.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from generator.safety.errors import GuardError

NO_ANSWER = "no_answer"
"""The category of an answer that cannot be read: a guard that does not answer has not said "safe"."""

LLAMA_GUARD_CODES = {
    "S1": "V1",
    "S2": "I1",
    "S3": "S1",
    "S4": "S0",
    "S5": "N1",
    "S6": "M1",
    "S7": "P2",
    "S8": "C2",
    "S9": "I1",
    "S10": "H1",
    "S11": "SH",
    "S12": "S1",
    "S13": "N1",
    "S14": "I1",
}
"""Categories of Llama Guard 3 (MLCommons hazards), by reason code."""

SHIELD_GEMMA_GUIDELINES = {
    "I1": "No Dangerous Content: the prompt shall not ask for content that harms oneself or others, or helps with it.",
    "H1": "No Hate Speech: the prompt shall not ask for content that attacks people for what they are.",
    "S1": "No Sexually Explicit Information: the prompt shall not ask for sexually explicit content.",
    "V1": "No Harassment or Violence: the prompt shall not ask for content that threatens, bullies or hurts people.",
}

_MAX_NEW_TOKENS = 24
_TURN_TOKENS = ("<start_of_turn>", "<end_of_turn>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
_ANSWER = re.compile(r"^\s*(?P<verdict>safe|unsafe)\b(?P<rest>[\sS\d,]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class GuardFinding:
    """A reason code, or NO_ANSWER, with the guard's own category and its probability in [0, 1], where it has one."""

    code: str
    category: str
    probability: float | None = None


class Guard(Protocol):
    """What `check_prompt` asks of a guard; `name` says in a decision which one it was."""

    @property
    def name(self) -> str: ...

    def findings(self, text: str) -> tuple[GuardFinding, ...]:
        """What it holds against `text`; empty where it calls it safe."""
        ...


class LlamaGuard:
    """A guard that writes "safe" or "unsafe" and category numbers."""

    def __init__(self, folder: Path, *, codes: Mapping[str, str] = LLAMA_GUARD_CODES) -> None:
        self._tokenizer, self._model, self.name = _load(folder)
        self._codes = codes

    def findings(self, text: str) -> tuple[GuardFinding, ...]:
        prompt = _chat_ids(self._tokenizer, [{"role": "user", "content": _disarmed(self._tokenizer, text)}])
        output = self._model.generate(
            prompt, max_new_tokens=_MAX_NEW_TOKENS, do_sample=False, pad_token_id=self._tokenizer.eos_token_id
        )
        answer = self._tokenizer.decode(output[0, prompt.shape[1] :], skip_special_tokens=True)
        return self.read(answer)

    def read(self, answer: str) -> tuple[GuardFinding, ...]:
        """The findings in a guard's answer."""
        found = _ANSWER.match(answer)
        if found is None:
            return (GuardFinding(NO_ANSWER, NO_ANSWER),)
        if found["verdict"].lower() == "safe":
            return ()
        categories = re.findall(r"S\d+", found["rest"], re.IGNORECASE)
        known = [
            GuardFinding(self._codes[c.upper()], c.upper()) for c in categories if c.upper() in self._codes
        ]
        return tuple(known) or (GuardFinding(NO_ANSWER, "unsafe"),)


class ShieldGemma:
    """A guard that answers Yes (it violates) or No to one guideline at a time."""

    def __init__(
        self,
        folder: Path,
        *,
        guidelines: Mapping[str, str] = SHIELD_GEMMA_GUIDELINES,
        threshold: float = 0.5,
    ) -> None:
        self._tokenizer, self._model, self.name = _load(folder)
        self._guidelines = guidelines
        self._threshold = threshold
        ids = [self._tokenizer.convert_tokens_to_ids(word) for word in ("Yes", "No")]
        if None in ids or self._tokenizer.unk_token_id in ids:
            raise GuardError(f"{folder.name} has no tokens Yes and No", hint="Name a ShieldGemma model.")
        self._yes_no = ids

    def findings(self, text: str) -> tuple[GuardFinding, ...]:
        found = []
        for code, guideline in self._guidelines.items():
            probability = self._probability(text, guideline)
            if probability >= self._threshold:
                found.append(GuardFinding(code, guideline.split(":")[0], round(probability, 3)))
        return tuple(found)

    def _probability(self, text: str, guideline: str) -> float:
        import torch

        asked = _disarmed(self._tokenizer, text).strip()
        question = (
            "You are a policy expert trying to help determine whether a user prompt is in violation of the defined "
            f"safety policies.\n\n<start_of_turn>\nHuman Question: {asked}\n<end_of_turn>\n\n"
            f"Our safety principle is defined in the below:\n\n* {guideline}\n\n"
            "Does the human question violate the above principle? Your answer must start with 'Yes' or 'No'."
        )
        ids = self._tokenizer(question, return_tensors="pt").input_ids
        with torch.no_grad():
            last = self._model(ids).logits[0, -1, self._yes_no]
        return float(torch.softmax(last.float(), dim=0)[0])


FAMILIES: Mapping[str, Callable[[Path], Guard]] = {"llama_guard": LlamaGuard, "shield_gemma": ShieldGemma}


def load_guard(folder: Path, family: str) -> Guard:
    """The guard in `folder`; raises GuardError where there is none, or it cannot be loaded safely."""
    if family not in FAMILIES:
        raise GuardError(f"no guard family {family!r}", hint=f"Families: {', '.join(FAMILIES)}.")
    if not (folder / "config.json").is_file():
        raise GuardError(
            f"{folder} holds no model", hint="Name a local folder with config.json and *.safetensors."
        )
    return FAMILIES[family](folder)


def _load(folder: Path) -> tuple[Any, Any, str]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise GuardError(
            f"{folder.name} cannot be loaded: {str(error).splitlines()[0]}",
            hint="It needs a tokenizer, a causal language model and safetensors weights.",
        ) from error
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return tokenizer, model.eval(), f"{folder.name}@{digest.hexdigest()[:12]}"


def _disarmed(tokenizer: Any, text: str) -> str:
    """`text` without the tokenizer's control tokens: a prompt must not end its own turn and answer for the guard."""
    for token in (*tokenizer.all_special_tokens, *_TURN_TOKENS):
        text = re.sub(re.escape(token), " ", text, flags=re.IGNORECASE)
    return text


def _chat_ids(tokenizer: Any, messages: list[dict[str, str]]) -> Any:
    if not tokenizer.chat_template:
        raise GuardError("the guard's tokenizer has no chat template", hint="Copy it from the model's page.")
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids
