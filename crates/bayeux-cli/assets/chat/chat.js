// The chat page: who is in the room, and what they say. Presence needs no code on the server: people announce
// themselves, answer newcomers, send a sign of life now and then, and say goodbye.

import { Bayeux } from "./bayeux.js";
import { element, record } from "./wire.js";

const HEARTBEAT = 20_000; // ms between signs of life; browsers slow a hidden page's timers to one a minute
const EXPIRY = 75_000; // ms without one after which a person counts as gone
const ANSWER_SPREAD = 300; // ms within which everybody answers a newcomer, not all in one moment
const MAX_PEOPLE = 200;
const MAX_LINES = 500; // in the log
const MAX_NAME = 40;
const MAX_TEXT = 2000;
const TINTS = 6;

const $ = (id) => document.getElementById(id);
const me = { id: randomId(), name: "" };
const people = new Map(); // id -> { name, transport, seen }
const lines = new Map(); // message id -> its element, while it is in the log
const tints = new Map(); // person's id -> a colour, so that the first ones differ
const counts = new Map(); // person's id -> the number of the last message heard
const bayeux = new Bayeux(document.querySelector("meta[name=bayeux-path]").content);
let room = roomName(new URLSearchParams(location.search).get("room") ?? "");
let joined = false;
let said = 0;
let met = false; // there has been a connection
let transport = null;
let answer = null; // the timer of an answer to newcomers

// The connection and its state.

bayeux.onwire = record;

bayeux.onstate = (state, kind) => {
  const moved = kind && transport && kind !== transport;
  const trying = met ? "reconnecting" : "connecting";
  const words = { connecting: trying, waiting: trying, connected: "connected", stopped: "disconnected" };
  transport = kind;
  met ||= state === "connected";
  $("status").dataset.state = state;
  $("transport").textContent = kind ?? "–";
  if ($("status").textContent !== words[state]) $("status").textContent = words[state]; // It is read out each time.
  $("transport-choice").value = bayeux.choice;
  if (joined) showPeople();
  if (state !== "connected") return;
  $("problem").hidden = true;
  for (const person of people.values()) person.seen = Date.now(); // While we were away nobody could be heard.
  announce("here");
  if (moved && joined) note(`Now over ${kind}.`);
};

bayeux.onsession = (again) => {
  if (!joined) return;
  if (again) note("Connected anew; what was said meanwhile is missing here.");
  announce("hello");
};

bayeux.onproblem = (text) => {
  $("problem").textContent = text;
  $("problem").hidden = false;
  $("transport-choice").value = bayeux.choice;
};

$("transport-choice").onchange = (event) => {
  $("problem").hidden = true;
  bayeux.use(event.target.value);
};
addEventListener("online", () => bayeux.wake());
addEventListener("offline", () => bayeux.wake());
document.addEventListener("visibilitychange", () => document.hidden || bayeux.wake());
addEventListener("pagehide", () => bayeux.stop(joined ? [presence("bye")] : []));
addEventListener("pageshow", (event) => event.persisted && bayeux.start());

// Coming in.

$("name").value = recall("name");
$("room").value = room;
$("entrance").onsubmit = (event) => {
  event.preventDefault();
  const name = $("name").value.trim();
  if (!name) return $("name").focus();
  room = roomName($("room").value);
  remember("name", name);
  me.name = name;
  enter();
};

function enter() {
  joined = true;
  const link = new URL(location.href);
  link.searchParams.set("room", room);
  history.replaceState(null, "", link);
  document.title = `#${room} · Bayeux chat`;
  $("room-name").textContent = `#${room}`;
  $("entrance").hidden = true;
  $("chat").hidden = false;
  bayeux.subscribe({ [`/chat/${room}`]: hear, [`/chat/${room}/presence`]: meet });
  announce("hello");
  setInterval(beat, HEARTBEAT);
  showPeople();
  $("text").focus();
}

$("share").onclick = async () => {
  const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
  $("shared").textContent = copied ? "Copied." : "The address bar holds the link.";
  setTimeout(() => ($("shared").textContent = ""), 3_000);
};

// Talking.

$("composer").onsubmit = (event) => {
  event.preventDefault();
  const text = $("text").value.trim().toWellFormed();
  $("text").focus();
  if (!text) return;
  const message = { id: randomId(), n: ++said, from: me.id, name: me.name, text };
  $("text").value = "";
  say(message).classList.add("pending");
  bayeux.publish(`/chat/${room}`, message).then(
    () => lines.get(message.id)?.classList.remove("pending"),
    (error) => {
      lines.get(message.id)?.classList.replace("pending", "failed");
      bayeux.onproblem(`Not sent: ${error.message}`);
    },
  );
};

/**
 * A message may come twice, when its sender could not tell whether it had arrived: it is shown once. One that a dying
 * connection had taken over may not come at all: people number what they say, so that the gap is seen.
 */
function hear(data) {
  const { id, n, from, name, text } = data ?? {};
  if (![id, from, name, text].every((field) => typeof field === "string")) return;
  const line = lines.get(id);
  if (line) return line.classList.remove("pending", "failed");
  const missed = n - 1 - counts.get(from); // NaN for the first one heard.
  const what = missed === 1 ? "A message" : `${missed} messages`;
  if (missed > 0) note(`${what} of ${clip(name, MAX_NAME)} did not arrive.`);
  keep(counts, from, n);
  say({ id, from, name, text });
}

function say({ id, from, name, text }) {
  const line = element("article", "message");
  const last = $("log").lastElementChild;
  line.classList.toggle("mine", from === me.id);
  line.classList.toggle("follows", last?.dataset.from === from);
  Object.assign(line.dataset, { id, from, tint: tint(from) });
  const time = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const words = [element("span", "who", clip(name, MAX_NAME)), element("p", "text", clip(text, MAX_TEXT))];
  for (const part of words) part.dir = "auto";
  line.append(...words, element("time", "", time));
  lines.set(id, line);
  return append(line);
}

const note = (text) => append(element("p", "note", text));

let atEnd = true; // the log is scrolled to its end, and is to stay there
let lastTop = 0;
$("log").onscroll = () => {
  const { scrollHeight, scrollTop, clientHeight } = $("log");
  if (scrollHeight - scrollTop - clientHeight < 40) atEnd = true;
  else if (scrollTop < lastTop) atEnd = false; // Somebody reads what was said earlier.
  lastTop = scrollTop;
};
new ResizeObserver(keepEnd).observe($("log")); // A keyboard comes up, or the wire is opened.

function keepEnd() {
  if (atEnd) $("log").scrollTop = $("log").scrollHeight;
}

function append(line) {
  const log = $("log");
  log.append(line);
  if (log.childElementCount > MAX_LINES) {
    lines.delete(log.firstElementChild.dataset.id);
    log.firstElementChild.remove();
  }
  atEnd ||= line.classList.contains("mine");
  keepEnd();
  return line;
}

// Who is here.

const presence = (event) => ({
  channel: `/chat/${room}/presence`,
  data: { event, id: me.id, name: me.name, transport, said },
});

function announce(event) {
  if (!joined || !transport) return;
  const { channel, data } = presence(event);
  bayeux.publish(channel, data).catch(() => {}); // The next sign of life will do.
  showPeople();
}

function meet(data) {
  const { event, id, name, transport: kind, said: count } = data ?? {};
  if (typeof id !== "string" || id.length > 64 || typeof name !== "string" || id === me.id) return;
  const known = people.has(id);
  const shown = clip(name, MAX_NAME);
  if (event === "bye") {
    people.delete(id);
    if (known) note(`${shown} left.`);
  } else if (known || people.size < MAX_PEOPLE) {
    people.set(id, { name: shown, transport: kind, seen: Date.now() });
    if (!counts.has(id)) keep(counts, id, count);
    if (event === "hello" && !known) note(`${shown} joined.`);
    if (event === "hello") answer ??= setTimeout(answerNewcomers, Math.random() * ANSWER_SPREAD);
  }
  showPeople();
}

function answerNewcomers() {
  answer = null;
  announce("here");
}

function beat() {
  announce("here");
  if (!transport) return;
  for (const [id, { name, seen }] of people) {
    if (Date.now() - seen < EXPIRY) continue;
    people.delete(id);
    note(`${name} has gone silent.`);
  }
  showPeople();
}

function showPeople() {
  const others = [...people].sort(([, a], [, b]) => a.name.localeCompare(b.name));
  $("people").replaceChildren(person(me.id, { name: me.name, transport }), ...others.map((entry) => person(...entry)));
  $("people-count").textContent = `(${people.size + 1})`;
}

function person(id, { name, transport: kind }) {
  const item = element("li", "person");
  item.dataset.tint = tint(id);
  const initial = element("span", "initial", [...name][0]?.toUpperCase());
  initial.ariaHidden = "true";
  const label = element("span", "person-name", id === me.id ? `${name} (you)` : name);
  label.dir = "auto";
  const badge = element("span", "badge", ["websocket", "long-polling"].includes(kind) ? kind : "…");
  item.append(initial, label, badge);
  return item;
}

// Small things.

/** What a channel's segment can hold, and reads well in a link. */
function roomName(text) {
  return text.trim().toLowerCase().replace(/[^a-z0-9_-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 32) || "lobby";
}

/** crypto.randomUUID exists on secure origins only, and the page may be opened from a phone by plain HTTP. */
function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function tint(id) {
  if (!tints.has(id)) keep(tints, id, tints.size % TINTS);
  return tints.get(id);
}

/** Sets what is known of a person, and forgets everybody when there are too many. */
function keep(map, id, value) {
  if (map.size > 10 * MAX_PEOPLE) map.clear();
  map.set(id, value);
}

function clip(text, length) {
  return [...text].slice(0, length).join("");
}

function recall(key) {
  try {
    return localStorage.getItem(`bayeux-chat-${key}`) ?? "";
  } catch {
    return ""; // Storage is barred: the name is typed again.
  }
}

function remember(key, value) {
  try {
    localStorage.setItem(`bayeux-chat-${key}`, value);
  } catch {
    return;
  }
}

bayeux.start();
