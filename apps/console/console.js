// The demo page: rooms, presence and chat over client.js, and the node's own counters from /metrics.
import { Client } from "./client.js";
import { Meters } from "./meters.js";

const LINES_MAX = 300;
const CUT_MS = 5000; // long enough to say something in the other tab
const $ = (id) => document.getElementById(id);

const scheme = location.protocol === "https:" ? "wss" : "ws";
const client = new Client(`${scheme}://${location.host}/realtime`);
const rooms = new Map(); // name -> {lines: [element], unread, members: Map, stale}
let current = null;
let countdown = 0;
let silence = 0;

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function room_of(name) {
  if (!rooms.has(name)) rooms.set(name, { lines: [], unread: 0, members: new Map() });
  return rooms.get(name);
}

function name_of(from) {
  return from?.user ?? from?.connection?.slice(0, 8) ?? "the node";
}

// ---- the stream

function add_line(name, line) {
  const room = room_of(name);
  room.lines.push(line);
  if (room.lines.length > LINES_MAX) room.lines.shift().remove();
  if (name !== current) {
    if (!line.classList.contains("note")) room.unread++;
    draw_rooms();
    return;
  }
  const list = $("messages");
  const at_end = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  list.append(line);
  if (at_end) list.scrollTop = list.scrollHeight;
}

function note(name, text, warn = false) {
  add_line(name, element("li", { class: warn ? "note warn" : "note" }, text));
}

function note_everywhere(text, warn = false) {
  for (const name of rooms.keys()) note(name, text, warn);
}

function chat_line(who, body, ts, classes) {
  const time = new Date(ts).toLocaleTimeString();
  return element("li", { class: classes },
    element("div", { class: "head" }, element("span", { class: "name" }, who), ` ${time}`),
    element("div", { class: "body" }, typeof body === "string" ? body : JSON.stringify(body)));
}

async function say(text) {
  const room = current;
  const line = chat_line("you", text, Date.now(), "own pending");
  add_line(room, line);
  $("messages").scrollTop = $("messages").scrollHeight;
  try {
    const { seq } = await client.publish(room, "chat:message", { body: text });
    line.classList.remove("pending");
    if (seq) line.title = `number ${seq} in its room`;
  } catch (error) {
    line.classList.replace("pending", "failed");
    line.querySelector(".head").append(` · ${error.code}: ${error.message}`);
  }
  draw_place();
}

// ---- what arrives

const on_message = {
  "chat:message": (message) => {
    const room = room_of(message.room);
    const old = room.recovering && message.ts < room.recovering;
    const body = message.payload?.body ?? message.payload?.text ?? message.payload;
    add_line(message.room, chat_line(name_of(message.from), body, message.ts, old ? "recovered" : "theirs"));
  },
  "room:joined": (message) => {
    const { connection, user } = message.from;
    room_of(message.room).members.set(connection, { connection, user, state: message.payload?.state });
    note(message.room, `${name_of(message.from)} joined`);
  },
  "room:left": (message) => {
    room_of(message.room).members.delete(message.from.connection);
    note(message.room, `${name_of(message.from)} left`);
  },
  "presence:diff": (message) => {
    const { members } = room_of(message.room);
    const { joins = [], updates = [], leaves = [] } = message.payload;
    for (const member of [...joins, ...updates]) members.set(member.connection, { ...members.get(member.connection), ...member });
    for (const member of leaves) members.delete(member.connection);
    for (const member of updates) note(message.room, `${name_of(member)} is ${member.state}`);
  },
  "presence:state": (message) => {
    room_of(message.room).members = new Map(message.payload.members.map((member) => [member.connection, member]));
  },
  "room:epoch": (message) => {
    note(message.room, `the room's numbering starts anew (epoch ${message.payload.epoch})`, true);
  },
  gap: (message) => {
    const { reason, from, to } = message.payload;
    note(message.room ?? current, `some messages will not come: ${reason}${from ? ` (${from} to ${to})` : ""}`, true);
  },
  error: (message) => {
    if (!message.id && current) note(current, `${message.payload.code}: ${message.payload.message}`, true);
  },
};

client.addEventListener("message", ({ detail: message }) => {
  on_message[message.type]?.(message);
  if (message.room === current) {
    draw_members();
    draw_place();
  }
});

client.addEventListener("hello", ({ detail }) => {
  $("node-name").textContent = detail.node;
  if (detail.user) $("user").value = detail.user;
});

client.addEventListener("resumed", ({ detail: { resumed, rooms: back } }) => {
  $("connection-id").textContent = client.connection;
  if (!resumed) return;
  for (const [name, { recovered }] of Object.entries(back)) {
    room_of(name).recovering = Date.now();
    note(name, recovered ? "back, with everything that was missed" : "back; some messages were missed", !recovered);
  }
  for (const name of client.rooms.keys()) refresh_members(name);
});

client.addEventListener("joined", ({ detail: { room: name, answer } }) => {
  const room = room_of(name);
  room.recovering = Date.now();
  note(name, answer.recovered === false ? "joined; some messages were missed" : "you joined", answer.recovered === false);
  refresh_members(name);
  draw_rooms();
});

function may_connect(state) {
  return state === "offline" || state === "refused" || (state === "connecting" && !$("ask-token").hidden);
}

function ask_for_token() {
  $("ask-token").hidden = false;
  $("toggle").textContent = "Connect";
}

client.addEventListener("state", ({ detail: { state, why, retry_ms, cut } }) => {
  $("state").dataset.state = state;
  $("toggle").textContent = may_connect(state) ? "Connect" : "Disconnect";
  $("cut").disabled = state !== "online" && !cut;
  $("cut").textContent = cut ? "Mend the line" : "Cut the line";
  clearInterval(countdown);
  const at = Date.now() + (retry_ms ?? 0);
  const seconds = () => Math.max(0, (at - Date.now()) / 1000);
  const text = () => cut ? `you cut the line: back in ${Math.ceil(seconds())} s`
    : state === "waiting" ? `back in ${seconds().toFixed(1)} s (${why})`
    : why ? `${state} (${why})` : state;
  $("state-text").textContent = text();
  if (state === "waiting") {
    countdown = setInterval(() => ($("state-text").textContent = text()), 100);
    note_everywhere(cut ? "you cut the line" : `the connection ended (${why})`, true);
  }
  // A node that was given keys says nothing until it is shown a token, and ends what shows none, or a bad one.
  clearTimeout(silence);
  if (state === "connecting") silence = setTimeout(ask_for_token, 1500);
  if (state === "refused" && why.startsWith("3500")) ask_for_token();
  if (state === "refused") note_everywhere(`the node does not want this client back (${why})`, true);
  if (state === "offline") for (const room of rooms.values()) room.members.clear();
  draw_rooms();
  draw_members();
  draw_composer();
});

async function refresh_members(name) {
  try {
    const members = await client.presence(name);
    room_of(name).members = new Map(members.map((member) => [member.connection, member]));
    if (name === current) draw_members();
  } catch (error) {
    note(name, `who is here is unknown: ${error.message}`, true);
  }
}

// ---- drawing

function draw_rooms() {
  $("rooms").replaceChildren(...[...rooms].map(([name, room]) => {
    const open = element("button", { class: "open", type: "button" }, name);
    open.onclick = () => show(name);
    const leave = element("button", { class: "leave", type: "button", title: `Leave ${name}`, "aria-label": `Leave ${name}` }, "×");
    leave.onclick = () => leave_room(name);
    const item = element("li", name === current ? { class: "current" } : {}, open);
    if (room.unread) item.append(element("span", { class: "unread" }, `${room.unread}`));
    item.append(leave);
    return item;
  }));
}

function draw_members() {
  const members = [...(rooms.get(current)?.members.values() ?? [])];
  members.sort((a, b) => name_of(a).localeCompare(name_of(b)));
  $("members").replaceChildren(...members.slice(0, 200).map((member) => {
    const state = typeof member.state === "string" ? member.state : "online";
    const own = member.connection === client.connection;
    return element("li", { "data-presence": state, "data-connection": member.connection }, element("span", { class: "dot" }),
      name_of(member) + (own ? " (you)" : ""), element("small", {}, state));
  }));
}

function draw_place() {
  const place = client.rooms.get(current);
  $("room-place").textContent = place?.epoch ? `epoch ${place.epoch.slice(0, 12)} · seq ${place.seq}` : "";
}

function draw_composer() {
  for (const input of $("compose").elements) input.disabled = !current || !client.rooms.has(current);
}

function show(name) {
  current = name;
  const room = rooms.get(name);
  if (room) room.unread = 0;
  $("room-title").textContent = name ?? "no room";
  $("messages").replaceChildren(...(room?.lines ?? []));
  $("messages").scrollTop = $("messages").scrollHeight;
  draw_rooms();
  draw_members();
  draw_place();
  draw_composer();
}

// ---- what the person does

async function join_room(name) {
  room_of(name);
  show(name);
  try {
    await client.join(name, $("my-state").value);
  } catch (error) {
    client.rooms.delete(name);
    note(name, `not joined: ${error.code}: ${error.message}`, true);
  }
  draw_composer();
}

async function leave_room(name) {
  rooms.delete(name);
  if (current === name) show(rooms.keys().next().value ?? null);
  draw_rooms();
  await client.leave(name).catch(() => {});
}

$("who").onsubmit = (event) => {
  event.preventDefault();
  if (!may_connect($("state").dataset.state)) {
    client.disconnect();
    return;
  }
  const user = $("user").value.trim() || $("user").placeholder;
  $("user").value = user;
  sessionStorage.setItem("user", user);
  client.connect(user, $("token").value.trim());
};

$("join").onsubmit = (event) => {
  event.preventDefault();
  const name = $("room-name").value.trim();
  $("room-name").value = "";
  if (name) join_room(name);
};

$("compose").onsubmit = (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  $("text").value = "";
  if (text && current) say(text);
};

$("cut").onclick = () => client.online ? client.cut(CUT_MS) : client.come_back_now();
$("my-state").onchange = async () => {
  await client.set_state($("my-state").value).catch((error) => note(current, error.message, true));
  for (const name of client.rooms.keys()) refresh_members(name);
};

// A tab that goes for good says so, or the others would see its person until the session is over. One that the browser
// keeps for a way back comes back as from a lost line.
window.addEventListener("pagehide", (event) => {
  if (!event.persisted) client.disconnect();
});

const asked = new URLSearchParams(location.search);
$("user").placeholder = `guest-${Math.random().toString(36).slice(2, 6)}`;
$("user").value = asked.get("user") ?? sessionStorage.getItem("user") ?? "";
for (const name of (asked.get("rooms") ?? "lobby").split(",")) join_room(name);
show(rooms.keys().next().value);
new Meters($("backpressure"), $("restarts"), {
  troupe_connections: $("connections"),
  troupe_messages_received_total: $("received"),
  troupe_transport_sent_bytes_total: $("sent"),
  troupe_rooms: $("rooms-awake"),
}).start();
$("who").requestSubmit();
