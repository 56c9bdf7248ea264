"""What the demo says, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_ENGLISH = {
    "intro": (
        "**This is Parley's built-in demo, not a language model.** It follows a few fixed rules and needs no "
        "network, so that you can see how Parley works. To connect a real model, put `OPENAI_API_KEY=…` "
        "(or `OPENAI_BASE_URL=…` for another server) into the file `.env` and restart Parley."
    ),
    "try": (
        "Try one of these:\n\n"
        "- `count to 30` – the answer streams\n"
        "- `my name is Ada`, then `what is my name?` – the dialogue is remembered\n"
        "- `what did I say first?` – what the model is sent\n"
        "- `who are you?` – the role\n"
        "- `table`, `code`, `list`, `markdown`, `long` – how answers look\n"
        "- `2+2*3`, `repeat good morning`\n"
        "- a picture, a voice message, `draw a lighthouse at night`, then `make it brighter`"
    ),
    "shown": "There it is. Say `make it brighter`, and I have it changed.",
    "hello": "Hello! I am only the demo, but I am glad that your message arrived.",
    "thanks": "You are welcome.",
    "bye": "Goodbye! I remember this dialogue until you clear it or it gets old.",
    "reflect": "I read your message ({words}):\n\n{quote}\n\nA language model would answer it. ",
    "one word": "1 word",
    "words": "{count} words",
    "picture": "Something other than text came with your message. A model with eyes and ears would describe it. ",
    "seen": "I see a picture of {width} × {height} pixels; its main colours: {colours}.",
    "not seen": "What it shows I cannot tell, because I am only the demo. A model with eyes would.",
    "and": ", ",
    "many": "many",
    "colour black": "black",
    "colour grey": "grey",
    "colour white": "white",
    "colour red": "red",
    "colour orange": "orange",
    "colour yellow": "yellow",
    "colour green": "green",
    "colour turquoise": "turquoise",
    "colour blue": "blue",
    "colour purple": "purple",
    "colour pink": "pink",
    "colour brown": "brown",
    "empty": "I see no words in your message. ",
    "nothing before": (
        "Nothing: this is the first message of our dialogue, or you have cleared what came before it."
    ),
    "said first": "The first of your {count} earlier messages that I was sent is:\n\n{quote}",
    "said last": "The message before this one (of {count} earlier ones that I was sent) is:\n\n{quote}",
    "name noted": "Nice to meet you, {name}. Now ask me `what is my name?`",
    "name known": "Your name is {name}. I know it because Parley sends me our dialogue with each message.",
    "name unknown": "You have not told me yet, or you have cleared it. Say `my name is …`.",
    "role": "I am Parley's demo. The role that I was given begins so:\n\n{quote}\n\nA real model would play it.",
    "no role": "I am Parley's demo, and I was given no role.",
    "count bounded": "I stop at {limit}:\n\n",
    "result": "{expression} = **{value}**",
    "by zero": "Nothing can be divided by zero.",
    "too large": "That number is too large for a demo.",
    "list": "A list:\n\n1. First\n2. Second\n   - with a point below it\n   - and another\n3. Third",
    "table": (
        "A table:\n\n| Place | Who hears it | Streams |\n|:--|:--|:-:|\n| private chat | you | yes |\n"
        "| group | whoever is in it | yes |\n| `terminal` | you | **yes** |"
    ),
    "code": "Some {language}:\n\n```{fence}\n{code}\n```\n\nThat was all.",
    "markdown": (
        "# A heading\n\nSome **bold**, some *italic*, some ~~struck~~, some `code`, "
        "and [a link](https://example.org).\n\n"
        "> A quotation.\n> It has two lines.\n\n- a list\n- of two\n\n```python\nprint('code')\n```\n\n"
        "| a | table |\n|---|---|\n| 1 | 2 |\n\n---\n\nAnd a last line: 1 < 2 & 3 > 2, _so_ it is."
    ),
    "long": (
        "Here are some paragraphs, so that you see a long answer arrive.\n\n"
        "When you send a message, the app that you use hands it to Parley. Parley first writes it down, and only "
        "then tells the app that it has it. So nothing is lost when a computer fails at the wrong moment, and "
        "nothing is answered twice when the app sends the same message again.\n\n"
        "Then your message waits for its turn. Messages of one conversation are answered in their order, one "
        "after the other; different conversations do not wait for each other. Parley looks up what the two of you "
        "have said before, takes as much of it as the model can read at once, puts the role in front, and asks.\n\n"
        "The answer comes word by word. Parley shows the first words at once and adds the rest as it comes, as "
        "often as the app allows. Where an app cannot change a message that was sent, the answer comes in parts. "
        "A long answer is split where a paragraph or a sentence ends, and never inside of a block of code.\n\n"
        "At the end Parley keeps the exchange: what you said and what was answered. The next time you write, it is "
        "part of what the model is sent. You can clear it whenever you like, and it is forgotten by itself after "
        "a long silence.\n\nThat is the whole journey. This demo has walked it with you, without a model."
    ),
}

_CHINESE = {
    "intro": (
        "**这里是 Parley 自带的演示，不是语言模型**。它只按几条固定的规则回答，不需要联网，"
        "让您先看看 Parley 怎样工作。要接入真正的模型，请在 `.env` 文件里写上 `OPENAI_API_KEY=…`"
        "（用别的服务器则写 `OPENAI_BASE_URL=…`），然后重启 Parley。"
    ),
    "try": (
        "可以试试：\n\n"
        "- `数到30`：回答会逐字出现\n"
        "- `我叫小明`，再问`我叫什么？`：对话会被记住\n"
        "- `我最先说了什么？`：看看模型收到了什么\n"
        "- `你是谁？`：当前的角色\n"
        "- `表格`、`代码`、`列表`、`markdown`、`长文`：看看回答的样子\n"
        "- `2+2*3`、`重复 早上好`\n"
        "- 一张图片、一条语音消息、`画夜晚的灯塔`，然后`把它变亮一点`"
    ),
    "shown": "画好了。说“把它变亮一点”，我就会修改它。",
    "hello": "您好！我只是演示程序，不过很高兴收到您的消息。",
    "thanks": "不客气。",
    "bye": "再见！在您清除之前，或者过期之前，我会记得这段对话。",
    "reflect": "我收到了您的消息（{words}）：\n\n{quote}\n\n真正的语言模型会回答它。",
    "one word": "1 个字或词",
    "words": "{count} 个字或词",
    "picture": "您的消息里有文字以外的内容。能看能听的模型会描述它。",
    "seen": "我看到一张 {width} × {height} 像素的图片，主要颜色：{colours}。",
    "not seen": "图片上是什么我说不出来，因为我只是演示程序。能看图的模型可以。",
    "and": "、",
    "many": "多种颜色",
    "colour black": "黑色",
    "colour grey": "灰色",
    "colour white": "白色",
    "colour red": "红色",
    "colour orange": "橙色",
    "colour yellow": "黄色",
    "colour green": "绿色",
    "colour turquoise": "青色",
    "colour blue": "蓝色",
    "colour purple": "紫色",
    "colour pink": "粉色",
    "colour brown": "棕色",
    "empty": "您的消息里没有文字。",
    "nothing before": "没有：这是我们对话的第一条消息，或者您已经清除了之前的内容。",
    "said first": "在我收到的之前 {count} 条消息里，您最先说的是：\n\n{quote}",
    "said last": "这条消息之前（我一共收到之前的 {count} 条），您说的是：\n\n{quote}",
    "name noted": "很高兴认识您，{name}。现在可以问我`我叫什么？`",
    "name known": "您叫{name}。我知道，是因为 Parley 每次都把我们的对话一起发给我。",
    "name unknown": "您还没有告诉我，或者已经清除了。请说`我叫……`。",
    "role": "我是 Parley 的演示。给我的角色是这样开头的：\n\n{quote}\n\n真正的模型会扮演它。",
    "no role": "我是 Parley 的演示，没有给我指定角色。",
    "count bounded": "我只数到 {limit}：\n\n",
    "result": "{expression} = **{value}**",
    "by zero": "不能除以零。",
    "too large": "这个数对演示来说太大了。",
    "list": "一个列表：\n\n1. 第一\n2. 第二\n   - 下面的一点\n   - 还有一点\n3. 第三",
    "table": (
        "一个表格：\n\n| 地方 | 谁能看到 | 逐字出现 |\n|:--|:--|:-:|\n| 私聊 | 您 | 是 |\n"
        "| 群聊 | 群里的人 | 是 |\n| `终端` | 您 | **是** |"
    ),
    "code": "一段 {language}：\n\n```{fence}\n{code}\n```\n\n就是这些。",
    "markdown": (
        "# 标题\n\n**粗体**、*斜体*、~~删除线~~、`代码`，还有[链接](https://example.org)。\n\n"
        "> 引用。\n> 一共两行。\n\n- 列表\n- 两项\n\n```python\nprint('代码')\n```\n\n"
        "| 一 | 表格 |\n|---|---|\n| 1 | 2 |\n\n---\n\n最后一行：1 < 2 & 3 > 2。"
    ),
    "long": (
        "下面是几段文字，让您看看长的回答怎样出现。\n\n"
        "您发出消息以后，您用的应用把它交给 Parley。Parley 先把它写到磁盘上，然后才告诉应用已经收到。"
        "这样，即使电脑在不巧的时候出了故障，消息也不会丢失；应用重复发送同一条消息，也不会回答两次。\n\n"
        "然后您的消息排队等候。同一个对话里的消息按顺序一条一条回答，不同的对话互不等待。"
        "Parley 找出你们之前说过的话，取出模型一次能读的那部分，在前面放上角色，再去提问。\n\n"
        "回答是一个词一个词来的。Parley 马上显示最先的几个词，后面的随到随加，快慢看应用允许多少。"
        "如果应用不能修改已经发出的消息，回答就分几条发。长的回答在段落或句子的结尾分开，不会从代码中间断开。\n\n"
        "最后，Parley 记下这一问一答。您下次再写的时候，它就是模型收到的内容的一部分。"
        "您随时可以清除它；很久不说话，它也会自己过期。\n\n这就是全部的路程。这个演示陪您走了一遍，没有用到模型。"
    ),
}

WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"en": MappingProxyType(_ENGLISH), "zh": MappingProxyType(_CHINESE)}
)
"""Language → name → text."""

CODE: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "python": (
            "Python",
            'def greet(name: str) -> str:\n    return f"Hello, {name}!"\n\n\nprint(greet("world"))',
        ),
        "javascript": (
            "JavaScript",
            "const greet = (name) => `Hello, ${name}!`;\nconsole.log(greet('world'));",
        ),
        "go": ("Go", 'package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Println("Hello, world!")\n}'),
        "rust": ("Rust", 'fn main() {\n    let name = "world";\n    println!("Hello, {name}!");\n}'),
        "sql": ("SQL", "SELECT name, count(*) AS messages\nFROM people\nWHERE messages > 0\nGROUP BY name;"),
        "bash": ("Bash", 'name="world"\necho "Hello, ${name}!"'),
    }
)
"""How a language is marked in a code block → its name, and a few lines of it."""
