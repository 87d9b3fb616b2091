// A room server on socket.io, WebSocket transport only: event "j" (room) joins, "p" (room, payload) emits "m" to the room.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false, serveClient: false });

io.on("connection", (socket) => {
  socket.on("j", (room) => {
    socket.join(room);
    socket.emit("ok");
  });
  socket.on("p", (room, payload) => io.to(room).emit("m", payload));
});
http.listen({ host: "127.0.0.1", port: Number(process.argv[2] ?? 9004), backlog: 4096 });
