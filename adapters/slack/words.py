"""What the Slack adapter itself has to say to a person, in English and in simplified and traditional Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from adapters._language import column

WORDS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "expired": (
            "This button is too old. Please ask again.",
            "这个按钮已过期，请重新提问。",
            "這個按鈕已過期，請重新提問。",
        ),
        "waits": (
            "I am still answering another message here. Yours comes next.",
            "我还在回答这里的另一条消息，接下来就回答您。",
            "我還在回答這裡的另一則訊息，接下來就回答您。",
        ),
        "left": (
            "I have left this thread. Mention me to call me back.",
            "我已离开这个消息列。提及我即可再次叫我。",
            "我已離開這個討論串。提及我即可再次叫我。",
        ),
        "greeting": (
            "Hello! Mention me in a message, and I answer in its thread.",
            "您好！在消息中提及我，我会在消息列中回答。",
            "您好！在訊息中提及我，我會在討論串中回答。",
        ),
        # the desk: slash command, shortcuts, forms
        "asks": ("*{name} asks:* {question}", "*{name} 问：*{question}", "*{name} 問：*{question}"),
        "invite": (
            "I cannot write here. Type /invite and my name to bring me in, or ask me in a direct message.",
            "我不能在这里发言。请输入 /invite 加上我的名字邀请我，或者私信问我。",
            "我無法在這裡發言。請輸入 /invite 加上我的名字邀請我，或者私訊問我。",
        ),
        "later": (
            "I cannot be reached just now. Please try again in a minute.",
            "我暂时无法联系，请一分钟后再试。",
            "我暫時無法聯繫，請一分鐘後再試。",
        ),
        "too_late": (
            "Slack waited too long for this. Please try once more.",
            "Slack 等待超时，请再试一次。",
            "Slack 等待逾時，請再試一次。",
        ),
        "form_expired": (
            "This form is too old. Please open it again.",
            "这个表单已过期，请重新打开。",
            "這個表單已過期，請重新開啟。",
        ),
        "form_foreign": (
            "This form belongs to somebody else. Please open one of your own.",
            "这个表单属于别人，请打开您自己的表单。",
            "這個表單屬於別人，請開啟您自己的表單。",
        ),
        "in_threads": (
            "In a thread, where Slack knows no /parley, write an exclamation mark instead: !undo",
            "消息列中不能使用 /parley，请改用感叹号，例如：!undo",
            "討論串中不能使用 /parley，請改用驚嘆號，例如：!undo",
        ),
        "unknown_command": (
            "I know no command {command}. /parley help lists them.",
            "没有 {command} 这个命令。输入 /parley help 查看所有命令。",
            "沒有 {command} 這個指令。輸入 /parley help 查看所有指令。",
        ),
        "summarise": (
            "Summarise this thread. Name the decisions, the open questions and who does what.",
            "总结这个消息列：列出已作的决定、未决的问题，以及谁负责什么。",
            "總結這個討論串：列出已做的決定、未決的問題，以及誰負責什麼。",
        ),
        "translate": (
            "Translate this message into {into}.",
            "把这条消息翻译成简体中文。",
            "把這則訊息翻譯成繁體中文。",
        ),
        "ask.title": ("Ask about this", "询问此消息", "詢問此訊息"),
        "ask.question": ("Your question", "您的问题", "您的問題"),
        "ask.submit": ("Ask", "提问", "提問"),
        "ask.empty": ("Please write a question.", "请写下问题。", "請寫下問題。"),
        "form.cancel": ("Cancel", "取消", "取消"),
        "form.close": ("Close", "关闭", "關閉"),
        "form.long": (
            "Please keep this to {limit} characters; it has {length}.",
            "请控制在 {limit} 个字符以内，现在有 {length} 个。",
            "請控制在 {limit} 個字元以內，現在有 {length} 個。",
        ),
        "role.title": ("Define a role", "定义角色", "定義角色"),
        "role.name": ("Name", "名称", "名稱"),
        "role.emoji": ("Emoji", "表情符号", "表情符號"),
        "role.prompt": (
            "Who should I be, and how should I answer?",
            "我应该是谁，怎样回答？",
            "我應該是誰，怎樣回答？",
        ),
        "role.submit": ("Save", "保存", "儲存"),
        "role.name_empty": ("Please give the role a name.", "请给角色取一个名称。", "請為角色取一個名稱。"),
        "role.name_colon": (
            "Please leave colons and line breaks out of the name.",
            "名称中请不要使用冒号和换行。",
            "名稱中請不要使用冒號和換行。",
        ),
        "role.prompt_empty": (
            "Please say who I should be in this role.",
            "请说明我在这个角色中应该是谁。",
            "請說明我在這個角色中應該是誰。",
        ),
        # the Home tab
        "home.title": ("Your choices", "您的选择", "您的選擇"),
        "home.away": (
            "Your choices cannot be shown just now. Please open this tab again in a minute.",
            "暂时无法显示您的选择，请一分钟后重新打开此页。",
            "暫時無法顯示您的選擇，請一分鐘後重新開啟此頁。",
        ),
        "home.stranger": (
            "You cannot use this bot yet. Send it a message, and it tells you how to get access.",
            "您还不能使用此机器人。给它发一条消息，它会告诉您怎样获得权限。",
            "您還不能使用此機器人。傳一則訊息給它，它會告訴您如何取得權限。",
        ),
        "home.role": ("Define a role", "定义角色", "定義角色"),
        "home.new": (
            "What you choose here holds wherever you have not chosen otherwise. Each message outside of a thread "
            "begins a new conversation; /parley help lists the commands.",
            "此处的选择适用于您未另作选择的所有对话。消息列之外的每条消息都会开始新的对话。"
            "输入 /parley help 查看所有命令。",
            "此處的選擇適用於您未另作選擇的所有對話。討論串之外的每則訊息都會開始新的對話。"
            "輸入 /parley help 查看所有指令。",
        ),
        "home.usage": ("Your usage", "您的用量", "您的用量"),
        "home.operation": ("All people together", "所有人合计", "所有人合計"),
        # the agent view, and threads that the bot has joined
        "prompts.title": ("What can I do for you?", "我能帮您做什么？", "我能幫您做什麼？"),
        "prompts.help": ("What can you do?", "你会做什么？", "你會做什麼？"),
        "prompts.write": ("Help me write a message", "帮我写一条消息", "幫我寫一則訊息"),
        "prompts.write.text": (
            "Help me write a message. Ask me what it is about and whom it is for.",
            "帮我写一条消息。先问我内容是什么、写给谁。",
            "幫我寫一則訊息。先問我內容是什麼、寫給誰。",
        ),
        "prompts.translate": ("Translate a text", "翻译一段文字", "翻譯一段文字"),
        "prompts.translate.text": (
            "Translate a text for me. Ask me for the text and the language.",
            "帮我翻译一段文字。先问我原文和目标语言。",
            "幫我翻譯一段文字。先問我原文和目標語言。",
        ),
        "prompts.think": ("Think something through with me", "和我一起想清楚一件事", "和我一起想清楚一件事"),
        "prompts.think.text": (
            "Think something through with me, one question at a time. Ask me what it is.",
            "和我一起想清楚一件事，每次问我一个问题。先问我是什么事。",
            "和我一起想清楚一件事，每次問我一個問題。先問我是什麼事。",
        ),
        "following": (
            "I answer every message in this thread from now on.",
            "从现在起我会回答这个消息列里的每条消息。",
            "從現在起我會回答這個討論串裡的每則訊息。",
        ),
        "leave": ("Leave this thread", "离开此消息列", "離開此討論串"),
        # what Slack writes behind the bot's name
        "status.thinking": ("is thinking…", "正在思考…", "正在思考…"),
        "status.typing": ("is writing…", "正在输入…", "正在輸入…"),
        "status.drawing": ("is drawing…", "正在绘图…", "正在繪圖…"),
        "status.listening": ("is listening…", "正在聆听…", "正在聆聽…"),
        "status.speaking": ("is speaking…", "正在朗读…", "正在朗讀…"),
        # a whispered answer has a file
        "file_sent": (
            "I have sent you the file in a direct message.",
            "文件已通过私信发送给您。",
            "檔案已透過私訊傳送給您。",
        ),
        "file_not_sent": (
            "I could not send you the file. Please ask me in a direct message.",
            "我无法把文件发送给您。请私信问我。",
            "我無法把檔案傳送給您。請私訊問我。",
        ),
    }
)
"""Key → English, simplified Chinese, traditional Chinese."""


_FAREWELLS = frozenset(
    {
        "bye", "bye bot", "bye bye", "goodbye", "goodbye bot", "go away", "leave", "leave this thread",
        "please leave", "stop listening", "再见", "再见机器人", "拜拜", "离开", "请离开", "退出",
        "再見", "再見機器人", "離開", "請離開", "掰掰",
    }
)  # fmt: skip


def say(language: str, key: str, **values: str | int) -> str:
    """The sentence for `key` in the language of a BCP 47 tag.

    Raises `LookupError` where there is no such sentence, or it lacks a value.
    """
    return WORDS[key][column(language)].format(**values)


def leaves(text: str) -> bool:
    """Whether a message does nothing but send the bot away: "leave", "bye bot", in any of the languages."""
    return " ".join(text.casefold().strip(" .!,。！，~～👋\n").split()) in _FAREWELLS
