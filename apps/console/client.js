// A client of the protocol (docs/protocol.md) with no user interface: it connects, comes back after a
// lost connection with full jitter, resumes its session, and joins its rooms again where it cannot.

const RETRY_MS_FIRST = 500;
const RETRY_MS_MAX = 20_000;
const ANSWER_MS_MAX = 10_000;

/** Whether a close code invites to come back: 30xx does, 35xx does not; of RFC 6455's own, those that blame the network or the server. */
export function comes_back(code) {
  if (code >= 3000 && code < 4000) return code < 3500;
  return [1001, 1005, 1006, 1011, 1012, 1013].includes(code);
}

/** How long to wait before attempt n (from 0): anywhere between nothing and a bound that doubles. */
export function retry_delay_ms(attempt, random = Math.random()) {
  return random * Math.min(RETRY_MS_MAX, RETRY_MS_FIRST * 2 ** attempt);
}

/**
 * Events (dispatched as CustomEvent, with `detail`): `state` {state, why, retry_ms, cut}, `hello` payload,
 * `resumed` {resumed, rooms}, `joined` {room, answer}, `message` envelope.
 */
export class Client extends EventTarget {
  #url;
  #user;
  #token = "";
  #socket = null;
  #wanted = false;
  #attempt = 0;
  #timer = 0;
  #session = null;
  #next_id = 1;
  #id_prefix = Math.random().toString(36).slice(2, 8);
  #waiting = new Map(); // id -> {envelope, resolve, reject, again, timer}

  /** name -> {epoch, seq, state}: what was seen of each room, which is what a return needs. */
  rooms = new Map();
  connection = null;
  node = null;

  constructor(url) {
    super();
    this.#url = url;
  }

  get online() {
    return this.#socket?.readyState === WebSocket.OPEN && this.connection !== null;
  }

  /** @param token a JSON Web Token, where the node asks for one: then it says who this is, and not `user` */
  connect(user, token = "") {
    if (user !== this.#user || token !== this.#token) this.#session = null;
    this.#user = user;
    this.#token = token;
    this.#wanted = true;
    this.#attempt = 0;
    this.#open();
  }

  /** Says good-bye: the others see this client leave at once. */
  disconnect() {
    this.#wanted = false;
    clearTimeout(this.#timer);
    this.#session = null;
    this.connection = null;
    for (const place of this.rooms.values()) place.epoch = null;
    this.#give_up_waiting(true, "disconnected");
    if (this.#socket) this.#socket.close(1000, "bye");
    this.#tell("state", { state: "offline", why: "disconnected" });
  }

  /** Ends the connection without a good-bye, as a lost network would; after `hold_ms` the client comes back and resumes. */
  cut(hold_ms) {
    if (!this.online) return;
    this.#socket.close(4000, "cut by the user");
    this.#lost();
    this.#come_back({ cut: true, retry_ms: hold_ms });
  }

  /** Comes back now instead of after the time that a `state` "waiting" has told. */
  come_back_now() {
    if (this.#wanted && !this.#socket) this.#open();
  }

  async join(room, state = "online") {
    const place = this.rooms.get(room) ?? { epoch: null, seq: 0 };
    place.state = state;
    this.rooms.set(room, place);
    if (this.online) await this.#join_now(room);
  }

  async leave(room) {
    this.rooms.delete(room);
    if (this.online) await this.request({ type: "room:leave", room });
  }

  async set_state(state) {
    for (const [room, place] of this.rooms) {
      place.state = state;
      if (this.online) await this.request({ type: "presence:update", room, payload: { state } });
    }
  }

  async presence(room) {
    return (await this.request({ type: "presence:get", room })).payload.members;
  }

  /**
   * Sends to a room. With qos 2 the room drops a repetition of the same id, so that what had no answer
   * when the connection broke can be sent again.
   */
  publish(room, type, payload) {
    return this.request({ type, room, payload, qos: 2 }, true);
  }

  /** Resolves with the answer to an envelope, rejects with an Error that has the `code` of the protocol. */
  request(envelope, again = false) {
    const id = `${this.#id_prefix}-${this.#next_id++}`;
    return new Promise((resolve, reject) => {
      const entry = { envelope: { ...envelope, id }, resolve, reject, again, timer: 0 };
      this.#waiting.set(id, entry);
      if (this.online) this.#send(entry);
      else if (!again) this.#answer(id, false, { code: "unavailable", message: "not connected" });
    });
  }

  #send(entry) {
    clearTimeout(entry.timer);
    entry.timer = setTimeout(
      () => this.#answer(entry.envelope.id, false, { code: "unavailable", message: "no answer" }), ANSWER_MS_MAX);
    this.#socket.send(JSON.stringify(entry.envelope));
  }

  #answer(id, good, value) {
    const entry = this.#waiting.get(id);
    if (!entry) return;
    this.#waiting.delete(id);
    clearTimeout(entry.timer);
    if (good) entry.resolve(value);
    else entry.reject(Object.assign(new Error(value.message), { code: value.code }));
  }

  #give_up_waiting(all, why) {
    for (const [id, entry] of [...this.#waiting]) {
      clearTimeout(entry.timer);
      if (all || !entry.again) this.#answer(id, false, { code: "unavailable", message: why });
    }
  }

  #open() {
    clearTimeout(this.#timer);
    this.#tell("state", { state: "connecting" });
    this.#socket?.close(1000);
    const who = this.#token ? "" : `?user=${encodeURIComponent(this.#user)}`;
    const socket = new WebSocket(this.#url + who, ["troupe.v1.json"]);
    this.#socket = socket;
    // As a message, not as a subprotocol: a page is not told why a handshake was refused.
    if (this.#token) socket.onopen = () => socket.send(JSON.stringify({ type: "auth", payload: { token: this.#token } }));
    socket.onmessage = (event) => socket === this.#socket && this.#received(JSON.parse(event.data));
    socket.onclose = (event) => socket === this.#socket && this.#closed(event.code, event.reason);
  }

  #closed(code, reason) {
    this.#lost();
    if (!this.#wanted) return;
    const why = reason ? `${code} ${reason}` : `${code}`;
    if (comes_back(code)) {
      this.#come_back({ why, retry_ms: retry_delay_ms(this.#attempt++) });
      return;
    }
    this.#wanted = false;
    this.#session = null;
    this.#give_up_waiting(true, why);
    this.#tell("state", { state: "refused", why });
  }

  #lost() {
    this.#socket = null;
    this.connection = null;
    if (this.#wanted) this.#give_up_waiting(false, "the connection broke");
  }

  #come_back(how) {
    this.#tell("state", { state: "waiting", ...how });
    this.#timer = setTimeout(() => this.#open(), how.retry_ms);
  }

  #received(message) {
    if (message.type === "hello") {
      this.#hello(message.payload);
      return;
    }
    if (message.type === "ack") this.#note_own(message);
    if (message.type === "ack" || message.type === "error") this.#answer(message.id, message.type === "ack", message.payload);
    else if (message.id && message.type === "presence:state") this.#answer(message.id, true, message);
    this.#note_place(message);
    if (message.type !== "ack") this.#tell("message", message);
  }

  /** What this client published was not sent back to it: the answer tells its place in the stream. */
  #note_own({ id, payload }) {
    const envelope = this.#waiting.get(id)?.envelope;
    const place = this.rooms.get(envelope?.room);
    if (place && envelope.qos && payload?.seq) Object.assign(place, { epoch: payload.epoch, seq: payload.seq });
  }

  #note_place(message) {
    const place = this.rooms.get(message.room);
    if (!place) return;
    if (message.type === "room:epoch") Object.assign(place, { epoch: message.payload.epoch, seq: 0 });
    if (message.seq) Object.assign(place, { epoch: message.epoch ?? place.epoch, seq: message.seq });
  }

  async #hello(payload) {
    const returning = this.#session;
    this.connection = payload.connection;
    this.node = payload.node;
    this.#session = payload.session;
    this.#tell("hello", payload);
    const answer = returning ? await this.#resume(returning) : { resumed: false, rooms: {} };
    if (!this.online) return;
    this.#attempt = 0;
    this.#tell("state", { state: "online" });
    this.#tell("resumed", answer);
    // A room that the session did not bring back is joined again, with what was seen of it.
    for (const room of this.rooms.keys()) {
      if (!answer.resumed || !(room in answer.rooms)) await this.#join_now(room).catch(() => this.rooms.delete(room));
    }
    for (const entry of this.#waiting.values()) if (entry.again && this.online) this.#send(entry);
  }

  async #resume(session) {
    const rooms = {};
    for (const [room, { epoch, seq }] of this.rooms) if (epoch) rooms[room] = { epoch, seq };
    try {
      const answer = await this.request({ type: "session:resume", payload: { session, rooms } });
      this.connection = answer.connection ?? this.connection;
      this.#session = answer.session ?? this.#session;
      return { resumed: answer.resumed, rooms: answer.rooms ?? {} };
    } catch {
      return { resumed: false, rooms: {} };
    }
  }

  async #join_now(room) {
    const place = this.rooms.get(room);
    const since = place.epoch ? { epoch: place.epoch, seq: place.seq } : undefined;
    const answer = await this.request({ type: "room:join", room, payload: { state: place.state, ...(since && { since }) } });
    // What was missed comes after the answer: until it is here, the old place stands where it is valid.
    if (!answer.recovered) Object.assign(place, { epoch: answer.epoch, seq: answer.seq });
    this.#tell("joined", { room, answer });
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
