// The panel that shows what goes over the wire, the last messages of it; built only while it is open.

const MAX_WIRE = 200;

const panel = document.getElementById("wire-panel");
const list = document.getElementById("wire");
const count = document.getElementById("wire-count");
const messages = []; // { direction, time, transport, message }

export function record(direction, message, transport) {
  messages.push({ direction, message, transport, time: new Date().toISOString().slice(11, 23) });
  if (messages.length > MAX_WIRE) messages.shift();
  if (panel.open) show(messages.slice(-1));
}

panel.ontoggle = () => {
  list.replaceChildren();
  count.textContent = "";
  if (panel.open) show(messages);
};

function show(entries) {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(...entries.map(line));
  while (list.childElementCount > MAX_WIRE) list.firstElementChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
  count.textContent = list.childElementCount === 1 ? "1 message" : `last ${list.childElementCount} messages`;
}

function line({ direction, message, transport, time }) {
  const line = element("li", direction);
  const arrow = element("span", "arrow", direction === "sent" ? "↑" : "↓");
  arrow.role = "img";
  arrow.ariaLabel = direction;
  const badge = element("span", "badge", transport);
  line.append(arrow, element("time", "", time), badge, element("code", "", JSON.stringify(message)));
  return line;
}

/** An element with text in it; text of others never becomes markup. */
export function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
