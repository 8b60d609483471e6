// Adds events to the table as they come. Everything is set as text: an event
// can hold whatever a stranger sent. Without this script the page is complete,
// only older.
"use strict";

(() => {
  const table = document.getElementById("live");
  if (!table || !window.EventSource) return;
  const body = table.tBodies[0];
  const state = document.getElementById("live-state");
  const pause = document.getElementById("live-pause");
  const most = Number(table.dataset.most);
  const tones = {
    critical: "bad", deny: "bad", failure: "bad", warning: "warn", report: "warn", allow: "good", success: "good",
  };
  let source = null;
  let waiting = [];
  let paused = false;

  const element = (name, className, text) => {
    const e = document.createElement(name);
    if (className) e.className = className;
    if (text) e.textContent = text;
    return e;
  };
  const words = (text) => String(text || "").replace(/^(cors|api)_/, (s) => s.toUpperCase()).replace(/[_-]/g, " ");
  const tone = (text) => tones[String(text).toLowerCase()] || "calm";
  const short = (text) => (text.length > 12 ? text.slice(0, 12) + "…" : text);
  const cell = (label, className, ...parts) => {
    const td = element("td", className);
    td.dataset.label = label;
    td.append(...parts);
    return td;
  };
  const link = (href, className, text, title) => {
    const a = element("a", className, text);
    a.href = href;
    if (title) a.title = title;
    return a;
  };

  const row = (e) => {
    const tr = element("tr", "fresh");
    tr.id = "e-" + e.id;
    const time = element("time");
    time.dateTime = e.time;
    time.append(element("span", "date", e.time.slice(0, 10) + " "), e.time.slice(11, 19));
    const verdict = [element("span", "pill " + tone(e.outcome), words(e.outcome))];
    if (e.severity === "CRITICAL") verdict.push(" ", element("span", "pill " + tone(e.severity), words(e.severity)));
    const request = [element("code", "", (e.method || "") + " " + (e.path || ""))];
    if (e.status) request.push(" ", element("span", "dim", String(e.status)));
    const why = e.rule ? [element("code", "", e.rule), " "] : [];
    why.push(e.reason || "");
    tr.append(
      cell("Time", "", time),
      cell("What", "", link("/console/events/" + encodeURIComponent(e.id), "", words(e.type))),
      cell("Verdict", "", ...verdict),
      cell("Request", e.method || e.path ? "wide" : "wide blank", ...request),
      cell("Why", e.rule || e.reason ? "wide" : "wide blank", ...why),
      cell("Client", e.client ? "client" : "client blank", e.client
        ? link("/console/events?client=" + encodeURIComponent(e.client), "mono", short(e.client), e.client)
        : element("span", "dim", "none")),
    );
    return tr;
  };

  const show = (e) => {
    if (document.getElementById("e-" + e.id)) return;
    const empty = document.getElementById("live-empty");
    if (empty) empty.remove();
    body.prepend(row(e));
    while (body.rows.length > most) body.deleteRow(-1);
  };
  const say = (text, className) => {
    if (state.textContent !== text) state.textContent = text;
    state.className = "pill " + className;
  };

  const begin = () => {
    source = new EventSource(table.dataset.stream);
    source.addEventListener("open", () => say(paused ? "Paused" : "Live", paused ? "warn" : "good"));
    source.addEventListener("error", () => {
      say("Connecting again", "warn");
      if (source.readyState === EventSource.CLOSED) window.setTimeout(begin, 5000);
    });
    source.addEventListener("end", () => {
      source.close();
      say("Ended: sign in again", "bad");
    });
    source.addEventListener("lost", (m) => say(JSON.parse(m.data).count + " left out: the log has them", "warn"));
    source.addEventListener("event", (m) => {
      const e = JSON.parse(m.data);
      if (!paused) return show(e);
      waiting.push(e);
      if (waiting.length > most) waiting.shift();
      say("Paused, " + waiting.length + " waiting", "warn");
    });
  };
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
    say(paused ? "Paused" : "Live", paused ? "warn" : "good");
    if (!paused) waiting.splice(0).forEach(show);
  });
  window.addEventListener("pagehide", () => source && source.close());
  window.addEventListener("pageshow", (e) => e.persisted && begin());
  begin();
})();
