// Faye's own server behind the same ready line as ours, to tell a wrong test from a wrong server (see server.mjs).
import http from 'node:http';
import faye from 'faye';

const [port, timeout] = process.argv.slice(2).map(Number);
const server = http.createServer();
new faye.NodeAdapter({ mount: '/bayeux', timeout: timeout / 1000 }).attach(server);
server.listen(port, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/bayeux`);
});
process.on('SIGTERM', () => process.exit(0));
