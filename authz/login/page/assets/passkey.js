// Passkeys need a script: navigator.credentials has no form of HTML. Everything
// else on these pages works without this file.
"use strict";
(() => {
  if (!window.PublicKeyCredential || !PublicKeyCredential.parseRequestOptionsFromJSON) return;

  const post = async (path, body) => {
    const answer = await fetch(path, {
      method: "POST", credentials: "same-origin",
      headers: {"Content-Type": "application/json"}, body: JSON.stringify(body),
    });
    if (answer.ok) return answer.json();
    const {missing} = await answer.json().catch(() => ({}));
    if (missing === "recent_sign_in" || missing === "second_factor") {
      window.location.assign("/auth/sign-in?next=/auth/account&step_up=" + missing);
      throw new Error("Please sign in again to go on.");
    }
    if (missing === "free_session") throw new Error("You are signed in on as many devices as are allowed. Sign out on one of them first.");
    throw new Error(answer.status === 401 || answer.status === 400 ? "That did not work. Please try again." : "This is not possible at the moment.");
  };

  const flows = {
    "sign-in": async (box) => {
      const begun = await post("/auth/passkey/begin", {csrf: box.dataset.csrf});
      const credential = await navigator.credentials.get({
        publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(begun.options.publicKey),
      });
      const done = await post("/auth/passkey/finish", {
        csrf: box.dataset.csrf, ceremony: begun.ceremony, next: box.dataset.next, credential: credential.toJSON(),
      });
      window.location.assign(done.next);
    },
    "register": async (box) => {
      const begun = await post("/auth/account/passkeys/begin", {csrf: box.dataset.csrf});
      const credential = await navigator.credentials.create({
        publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(begun.options.publicKey),
      });
      const done = await post("/auth/account/passkeys/finish", {
        csrf: box.dataset.csrf, ceremony: begun.ceremony, label: box.querySelector("input").value, credential: credential.toJSON(),
      });
      if (done.recovery_codes) { show(box, done.recovery_codes); return; }
      window.location.reload();
    },
  };

  const show = (box, codes) => {
    const text = document.createElement("p");
    text.setAttribute("role", "status");
    text.textContent = "The passkey is added. Keep these recovery codes; they are shown now, and never again.";
    const list = document.createElement("ul");
    list.id = "secrets";
    list.className = "codes";
    for (const code of codes) {
      const item = document.createElement("li");
      item.textContent = code;
      list.append(item);
    }
    const link = document.createElement("a");
    link.href = "/auth/account";
    link.textContent = "Go on";
    box.replaceChildren(text, list, link);
  };

  for (const box of document.querySelectorAll("[data-passkey]")) {
    const button = box.querySelector("button"), error = box.querySelector(".error");
    box.hidden = false;
    button.addEventListener("click", async () => {
      error.hidden = true;
      button.disabled = true;
      try {
        await flows[box.dataset.passkey](box);
      } catch (problem) {
        error.textContent = problem.name === "NotAllowedError" ? "It was cancelled, or took too long." : problem.message;
        error.hidden = false;
      } finally {
        button.disabled = false;
      }
    });
  }
})();
