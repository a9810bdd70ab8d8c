// Logging in, and making the user of a one-time link.
import { post } from "../api.js";
import { html, useState } from "../lib.js";
import { session } from "../state.js";
import { t } from "../text.js";

function Form({ title, hint, button, send, fresh }) {
  const [fault, setFault] = useState("");
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    try {
      session.value = await send(form.get("name"), form.get("password"));
      if (fresh) location.hash = "#/now"; // who was logged out goes on where a link or a session ended
    } catch (error) { setFault(error.message); }
  };
  return html`<main class="center"><form class="card login" onSubmit=${submit}>
    <img src="/static/icon.svg" width="44" height="44" alt="" /><h1>${title}</h1>${hint && html`<p class="soft">${hint}</p>`}
    <label>${t("name")}<input name="name" autocomplete="username" required autofocus /></label>
    <label>${t("password")}<input name="password" type="password" required minlength=${fresh ? 10 : undefined}
      autocomplete=${fresh ? "new-password" : "current-password"} /></label>
    ${fault && html`<p class="fault" role="alert">${fault}</p>`}<button class="strong">${button}</button></form></main>`;
}

export const Login = () => html`<${Form} title=${t("login")} button=${t("login")}
  send=${(name, password) => post("/api/session", { name, password })} />`;
export const First = ({ token }) => html`<${Form} title=${t("first")} hint=${t("firstHint")} button=${t("make")} fresh
  send=${(name, password) => post("/api/first", { token, name, password })} />`;
