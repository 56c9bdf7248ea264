// The way in: asks for the password, in the reader's language, and says when it was not right.

import { chooseLanguage, translate } from "./words.js";

const say = translate(document, chooseLanguage(navigator.languages ?? [navigator.language]));
const form = document.getElementById("login");
const refused = document.getElementById("refused");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const send = form.querySelector("button");
  send.disabled = true;
  refused.hidden = true;
  let response = null;
  try {
    response = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  } catch {
    refused.textContent = say("unreachable");
  }
  if (response?.ok) {
    location.replace("/");
    return;
  }
  if (response) {
    const body = await response.json().catch(() => null);
    refused.textContent = body?.error || say("loginFailed");
  }
  refused.hidden = false;
  send.disabled = false;
  document.getElementById("password").select();
});
