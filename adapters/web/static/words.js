// What the page itself says, in every language it speaks, and which language that is.

export const WORDS = {
  en: {
    answer: "Answer",
    away: "The connection is interrupted. What you send is kept, and sent when it is back.",
    code: "Code",
    commands: "Commands",
    conversation: "Conversation",
    copied: "Copied",
    copy: "Copy",
    copyAnswer: "Copy answer",
    copyFailed: "Could not copy",
    counter: "{count} of {limit} characters",
    drawing: "Drawing…",
    edit: "Edit",
    exampleCommand: "Choose a role",
    exampleEcho: "Repeat: hello",
    exampleTable: "Write a table of three planets",
    exampleWhat: "What can you do?",
    failed: "Not sent. {reason}",
    failedUnknown: "The server gave no reason.",
    file: "File ({mime})",
    hint: "Enter sends, Shift+Enter begins a new line.",
    jump: "Jump to the latest",
    listening: "Listening…",
    login: "Enter",
    loginFailed: "That did not work. Please try again.",
    loginMore: "This conversation is behind a password.",
    loginTitle: "Welcome to Parley",
    newConversation: "New conversation",
    nothingSaid: "There was no answer.",
    password: "Password",
    placeholder: "Write a message…",
    queued: "Waiting for its turn…",
    question: "Message",
    resend: "Send again",
    role: "Role",
    send: "Send",
    sending: "Sending…",
    skip: "Skip to the message box",
    stop: "Stop",
    stopFailed: "Could not stop. {reason}",
    theme: "Dark theme",
    thinking: "Thinking…",
    tooLong: "The message is too long.",
    typing: "Writing…",
    unreachable: "The server cannot be reached.",
    waiting: "Waiting for the connection…",
    welcome: "What shall we talk about?",
    welcomeMore: "Ask anything, or begin with one of these.",
    you: "You",
  },
  "zh-Hans": {
    answer: "回答",
    away: "连接中断。您发送的内容会保留，恢复后自动发出。",
    code: "代码",
    commands: "命令",
    conversation: "对话",
    copied: "已复制",
    copy: "复制",
    copyAnswer: "复制回答",
    copyFailed: "无法复制",
    counter: "{count} / {limit} 个字符",
    drawing: "正在绘图…",
    edit: "修改",
    exampleCommand: "选择角色",
    exampleEcho: "重复：你好",
    exampleTable: "用表格列出三颗行星",
    exampleWhat: "你能做什么？",
    failed: "未发送。{reason}",
    failedUnknown: "服务器没有说明原因。",
    file: "文件（{mime}）",
    hint: "Enter 发送，Shift+Enter 换行。",
    jump: "跳到最新",
    listening: "正在聆听…",
    login: "进入",
    loginFailed: "未能进入，请再试一次。",
    loginMore: "此对话需要密码。",
    loginTitle: "欢迎使用 Parley",
    newConversation: "新对话",
    nothingSaid: "没有回答。",
    password: "密码",
    placeholder: "写点什么…",
    queued: "排队等候…",
    question: "消息",
    resend: "重新发送",
    role: "角色",
    send: "发送",
    sending: "正在发送…",
    skip: "跳到输入框",
    stop: "停止",
    stopFailed: "无法停止。{reason}",
    theme: "深色主题",
    thinking: "正在思考…",
    tooLong: "消息太长。",
    typing: "正在书写…",
    unreachable: "无法连接服务器。",
    waiting: "正在等待连接…",
    welcome: "想聊些什么？",
    welcomeMore: "随便问，或者从下面开始。",
    you: "您",
  },
  "zh-Hant": {
    answer: "回答",
    away: "連線中斷。您傳送的內容會保留，恢復後自動送出。",
    code: "程式碼",
    commands: "指令",
    conversation: "對話",
    copied: "已複製",
    copy: "複製",
    copyAnswer: "複製回答",
    copyFailed: "無法複製",
    counter: "{count} / {limit} 個字元",
    drawing: "正在繪圖…",
    edit: "修改",
    exampleCommand: "選擇角色",
    exampleEcho: "Repeat: 你好",
    exampleTable: "用表格列出三顆行星",
    exampleWhat: "你能做什麼？",
    failed: "未送出。{reason}",
    failedUnknown: "伺服器沒有說明原因。",
    file: "檔案（{mime}）",
    hint: "Enter 傳送，Shift+Enter 換行。",
    jump: "跳到最新",
    listening: "正在聆聽…",
    login: "進入",
    loginFailed: "未能進入，請再試一次。",
    loginMore: "此對話需要密碼。",
    loginTitle: "歡迎使用 Parley",
    newConversation: "新對話",
    nothingSaid: "沒有回答。",
    password: "密碼",
    placeholder: "寫點什麼…",
    queued: "排隊等候…",
    question: "訊息",
    resend: "重新傳送",
    role: "角色",
    send: "傳送",
    sending: "正在傳送…",
    skip: "跳到輸入框",
    stop: "停止",
    stopFailed: "無法停止。{reason}",
    theme: "深色主題",
    thinking: "正在思考…",
    tooLong: "訊息太長。",
    typing: "正在書寫…",
    unreachable: "無法連線到伺服器。",
    waiting: "正在等待連線…",
    welcome: "想聊些什麼？",
    welcomeMore: "隨便問，或者從下面開始。",
    you: "您",
  },
};

/** The language of ours that serves the first of the reader's BCP 47 `tags` that we speak; else English. */
export function chooseLanguage(tags) {
  for (const tag of tags) {
    const parts = tag.toLowerCase().split("-");
    if (parts[0] === "en") return "en";
    if (parts[0] === "zh" || parts[0] === "yue") {
      if (parts.includes("hans")) return "zh-Hans";
      const traditional = ["hant", "tw", "hk", "mo"].some((part) => parts.includes(part));
      return traditional || parts[0] === "yue" ? "zh-Hant" : "zh-Hans";
    }
  }
  return "en";
}

/** A function from a key and its values to the sentence in `language`. */
export function speaker(language) {
  const words = WORDS[language];
  return (key, values = {}) =>
    words[key].replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** Put the words into a document: `data-word` is text, `data-label` a name, `data-placeholder` a hint. */
export function translate(root, language) {
  const say = speaker(language);
  document.documentElement.lang = language;
  for (const node of root.querySelectorAll("[data-word]")) node.textContent = say(node.dataset.word);
  for (const node of root.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", say(node.dataset.label));
    if (node.localName === "button") node.title = say(node.dataset.label);
  }
  for (const node of root.querySelectorAll("[data-placeholder]")) node.placeholder = say(node.dataset.placeholder);
  return say;
}
