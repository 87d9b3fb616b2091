// A room server on the npm package ws: "S room" joins, "P room payload" sends "M room payload" to the room.
import { WebSocketServer } from "ws";

const rooms = new Map();
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2] ?? 9003), perMessageDeflate: false, backlog: 4096 });

server.on("connection", (socket) => {
  const joined = [];
  socket.on("message", (data) => {
    const text = data.toString("latin1");
    if (text.startsWith("S ")) {
      const name = text.slice(2);
      const members = rooms.get(name) ?? new Set();
      rooms.set(name, members.add(socket));
      joined.push(members);
      socket.send("OK");
    } else if (text.startsWith("P ")) {
      const members = rooms.get(text.slice(2, text.indexOf(" ", 2)));
      if (!members) return;
      data[0] = 0x4d;
      for (const member of members) member.send(data, { binary: false });
    }
  });
  socket.on("error", () => {});
  socket.on("close", () => joined.forEach((members) => members.delete(socket)));
});
