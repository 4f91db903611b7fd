"""The chat formats as data: what stands around each turn, and the template that says the same in Jinja."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass

from huatuo.errors import FormatError


@dataclass(frozen=True)
class Format:
    """How turns are written. The end token follows every assistant turn and is learned there."""

    name: str
    """Name in a recipe and in ``huatuo.json``."""
    source: str
    """Where the wording is from, and where ours departs from it."""
    user: tuple[str, str]
    """Text before and after a user turn; `ROUND` before it becomes the number of the question, from 1."""
    assistant: str
    """Text before an answer; a prompt for generation ends with it."""
    system: tuple[str, str] = ("", "\n")
    """Text before and after a system message."""
    default_system: str = ""
    """System text where the conversation has no system message."""
    between: str = "\n"
    """Text between an answer's end token and the next user turn."""
    end: str = ""
    """End token of an answer where the tokenizer has it as a special token; the tokenizer's EOS otherwise."""
    guarded: tuple[str, ...] = ()
    """Control texts, besides the end token, that the saved template breaks when a message contains them."""
    begin: str = ""
    """Control tokens that every conversation begins with, where the tokenizer adds none of its own."""
    folds_system: bool = False
    """Whether a system message stands inside the first user turn, whose opening is then the system message's."""


ROUND = "{round}"
"""What stands in a format's text for the number of the question."""


_HUATUO = (
    "HuaTuo (arXiv 2304.06975), templates/{}.json; a further turn repeats the block, since the template has one turn"
)
_BAICHUAN = (
    "Baichuan {}, {}; tokens 195 and 196 mark who speaks. The release shows the model no EOS between turns; here a "
    "real EOS stands after every answer"
)
_GLM_ROLES = ("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>")
_FORMATS = (
    Format(
        name="huatuo2",
        source="HuatuoGPT-II (arXiv 2311.09774), data_process.py. The release learns EOS as the label of the joining "
        "line "
        "end and shows the model no EOS between turns; here a real EOS stands after every answer, then the line end",
        user=("<问>：", "\n"),
        assistant="<答>：",
    ),
    Format(
        name="med_template",
        source=_HUATUO.format("med_template"),
        user=("下面是一个问题，运用医学知识来正确回答提问.\n### 问题:\n", "\n"),
        assistant="### 回答:\n",
    ),
    Format(
        name="bloom_deploy",
        source=_HUATUO.format("bloom_deploy") + "; the wording of prompt_input is used",
        user=("下面是一个问题，运用医学知识来正确回答提问.\n", "\n\n\n"),
        assistant="### 回答：\n",
    ),
    Format(
        name="literature_template",
        source=_HUATUO.format("literature_template"),
        user=("以下是描述任务的说明，编写适当地回复完成请求的响应。\n\n ### 说明:\n", "\n\n"),
        assistant="### 回复:\n",
    ),
    Format(
        name="chatml",
        source="ChatML as used by Qwen and Yi, without Qwen's default system message",
        user=("<|im_start|>user\n", "<|im_end|>\n"),
        assistant="<|im_start|>assistant\n",
        system=("<|im_start|>system\n", "<|im_end|>\n"),
        end="<|im_end|>",
        guarded=("<|im_start|>", "<|im_end|>"),
    ),
    Format(
        name="alpaca",
        source="Stanford Alpaca, train.py, prompt_no_input; a system message replaces nothing and stands before it",
        user=(
            "Below is an instruction that describes a task. Write a response that appropriately completes the "
            "request."
            "\n\n### Instruction:\n",
            "\n\n",
        ),
        assistant="### Response:\n",
        system=("", "\n\n"),
        between="\n\n",
    ),
    Format(
        name="qwen3",
        source="Qwen3 (arXiv 2505.09388), its chat template with enable_thinking=False: an empty thought stands before "
        "the answer. The release leaves the thoughts of earlier answers out; here every answer has the empty one",
        user=("<|im_start|>user\n", "<|im_end|>\n"),
        assistant="<|im_start|>assistant\n<think>\n\n</think>\n\n",
        system=("<|im_start|>system\n", "<|im_end|>\n"),
        end="<|im_end|>",
        guarded=("<|im_start|>", "<|im_end|>", "<think>", "</think>"),
    ),
    Format(
        name="llama2",
        source="Llama 2 (arXiv 2307.09288), chat_completion of its reference code: BOS before each question, EOS after "
        "each answer. The blank before an answer belongs to the prompt here, and no blank stands before EOS",
        user=("[INST] ", " [/INST] "),
        assistant="",
        system=("[INST] <<SYS>>\n", "\n<</SYS>>\n\n"),
        between="<s>",
        folds_system=True,
        guarded=("<s>",),
    ),
    Format(
        name="llama3",
        source="Llama 3 (arXiv 2407.21783), its chat template",
        user=("<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"),
        assistant="<|start_header_id|>assistant<|end_header_id|>\n\n",
        system=("<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>"),
        between="",
        end="<|eot_id|>",
        guarded=("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|begin_of_text|>"),
    ),
    Format(
        name="baichuan",
        source=_BAICHUAN.format(1, "generation_utils.py"),
        user=("<reserved_102>", ""),
        assistant="<reserved_103>",
        system=("", ""),
        between="",
        guarded=("<reserved_102>", "<reserved_103>"),
    ),
    Format(
        name="baichuan2",
        source=_BAICHUAN.format(2, "fine-tune.py") + "; it learns EOS as the label of the next question's mark",
        user=("<reserved_106>", ""),
        assistant="<reserved_107>",
        system=("", ""),
        between="",
        guarded=("<reserved_106>", "<reserved_107>"),
    ),
    Format(
        name="chatglm2",
        source="ChatGLM2-6B, build_prompt and get_prefix_tokens of tokenization_chatglm.py; the release shows the "
        "model no EOS between turns and has no system message, which stands first here",
        begin="[gMASK]<sop>",
        user=("[Round {round}]\n\n问：", "\n\n"),
        assistant="答：",
        system=("", "\n\n"),
        between="\n\n",
        guarded=("[gMASK]", "<sop>"),
    ),
    Format(
        name="chatglm3",
        source="ChatGLM3-6B, build_single_message and get_prefix_tokens of tokenization_chatglm.py; the line end after "
        "<|assistant|>, which the release lets the model write, belongs to the prompt, and EOS ends every answer",
        begin="[gMASK]<sop>",
        user=("<|user|>\n", ""),
        assistant="<|assistant|>\n",
        system=("<|system|>\n", ""),
        between="",
        guarded=("[gMASK]", "<sop>", *_GLM_ROLES),
    ),
    Format(
        name="glm4",
        source="GLM-4-9B-Chat (arXiv 2406.12793), build_single_message of tokenization_chatglm.py; as chatglm3",
        begin="[gMASK]<sop>",
        user=("<|user|>\n", ""),
        assistant="<|assistant|>\n",
        system=("<|system|>\n", ""),
        between="",
        guarded=("[gMASK]", "<sop>", *_GLM_ROLES),
    ),
    Format(
        name="huatuo1",
        source="HuatuoGPT (arXiv 2305.15075), its command line; the release trains a blank before EOS, here there is "
        "none",
        user=("<病人>：", " "),
        assistant="<HuatuoGPT>：",
        system=("", ""),
        default_system="一位用户和智能医疗大模型HuatuoGPT之间的对话。对于用户的医疗问诊，HuatuoGPT给出准确的、详细的、温暖的指导建议。"
        "对于用户的指令问题，HuatuoGPT给出有益的、详细的、有礼貌的回答。",
        between="",
    ),
    Format(
        name="plain",
        source="huatuo's own, for very small models: the question, a line end, the answer",
        user=("", "\n"),
        assistant="",
    ),
)
FORMATS: dict[str, Format] = {fmt.name: fmt for fmt in _FORMATS}
"""Every format by name."""


def get(name: str) -> Format:
    """The format of that name. Raises FormatError, listing the known names, nearest first."""
    if name in FORMATS:
        return FORMATS[name]
    near = difflib.get_close_matches(name, FORMATS, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise FormatError(f"unknown chat format {name!r}; {hint}known: {', '.join(FORMATS)}; next: set train.format to one")


def vocabulary(fmt: Format) -> list[str]:
    """The texts that the format itself writes: a tokenizer made for it must know their characters."""
    opening = fmt.user[0].replace(ROUND, "0123456789")
    return [fmt.begin, opening, fmt.user[1], fmt.assistant, *fmt.system, fmt.default_system, fmt.between]


def chat_template(fmt: Format, bos: bool = False) -> str:
    """The Jinja template to save with a checkpoint: it gives the ids of `encode` and `encode_prompt`.

    ``bos``: whether the text begins with the tokenizer's BOS (`adds_bos`). It uses ``eos_token``, which must be the
    format's end token (`bind`). A literal end token inside a message is broken by a zero-width space.
    """

    def quote(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)

    broken = "".join(f"|replace({quote(t)}, {quote(t[:1] + chr(0x200B) + t[1:])})" for t in fmt.guarded)
    number = f"|replace({quote(ROUND)}, (loop.index0 // 2 + 1)|string)" if ROUND in fmt.user[0] else ""
    opening = quote(fmt.user[0]) + number
    content = f"message['content']|trim|replace(eos_token, eos_token[:1] + '\\u200b' + eos_token[1:]){broken}"
    lines = [
        f"{{%- set state = namespace(system={quote(fmt.default_system)}, skip=0) -%}}",
        "{%- if messages and messages[0]['role'] == 'system' -%}{%- set message = messages[0] -%}",
        f"{{%- set state.system = {content} -%}}{{%- set state.skip = 1 -%}}{{%- endif -%}}",
        "{{- bos_token -}}" if bos else "",
        f"{{{{- {quote(fmt.begin)} -}}}}" if fmt.begin else "",
        f"{{%- if state.system -%}}{{{{- {quote(fmt.system[0])} + state.system + {quote(fmt.system[1])} -}}}}",
        "{%- endif -%}",
        "{%- for message in messages[state.skip:] -%}",
        "{%- if message['role'] != ('user' if loop.index0 % 2 == 0 else 'assistant') -%}",
        "{{- raise_exception('user and assistant alternate; a system message stands first') -}}{%- endif -%}",
        "{%- if message['role'] == 'user' -%}",
        f"{{%- if not loop.first -%}}{{{{- {quote(fmt.between)} -}}}}{{%- endif -%}}",
        "{%- if not (loop.first and state.system) -%}" if fmt.folds_system else "",
        f"{{{{- {opening} -}}}}",
        "{%- endif -%}" if fmt.folds_system else "",
        f"{{{{- ({content}) + {quote(fmt.user[1])} -}}}}",
        f"{{%- else -%}}{{{{- {quote(fmt.assistant)} + ({content}) + eos_token -}}}}{{%- endif -%}}{{%- endfor -%}}",
        f"{{%- if add_generation_prompt -%}}{{{{- {quote(fmt.assistant)} -}}}}{{%- endif -%}}",
    ]
    return "".join(lines)
