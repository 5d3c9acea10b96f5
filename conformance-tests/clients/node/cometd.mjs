// npm cometd with cometd-nodejs-client: cometd.mjs URL [TRANSPORT]
import { CometD } from 'cometd';
import { AckExtension } from 'cometd/AckExtension.js';
import { adapt } from 'cometd-nodejs-client';
import { Program, versionOf } from './program.mjs';

const [url, transport] = process.argv.slice(2);
if (url === '--version') {
  console.log(versionOf('cometd'));
  process.exit();
}
adapt();
global.window.console = { ...console, debug() {}, info() {}, log() {}, warn() {} };

const cometd = new CometD();
if (transport === 'long-polling') cometd.unregisterTransport('websocket');
cometd.unregisterTransport('callback-polling');
// Requests are given up sooner than by itself, so that a run does not take long.
cometd.configure({ url, logLevel: 'warn', maxNetworkDelay: 2000, connectTimeout: 2000 });

cometd.registerExtension('ack', new AckExtension());

const handlers = new Map(); // channel => handler
const subscriptions = new Map(); // channel => what this library gave for it

const answered = (call) => new Promise((resolve, reject) => {
  call((reply) => (reply.successful ? resolve(reply) : reject(new Error('it was refused, or got no reply'))));
});
const subscribe = (channel) => answered((done) => {
  subscriptions.set(channel, cometd.subscribe(channel, handlers.get(channel), done));
});
const program = new Program({
  subscribe: (channel, handler) => {
    handlers.set(channel, handler);
    return subscribe(channel);
  },
  unsubscribe: (channel) => {
    handlers.delete(channel);
    return answered((done) => cometd.unsubscribe(subscriptions.get(channel), done));
  },
  publish: (channel, data) => answered((done) => cometd.publish(channel, data, done)),
  disconnect: () => answered((done) => cometd.disconnect(done)),
});
handlers.set('/conformance/do', ({ data }) => program.carryOut(data));
// A new session has no subscriptions, and this library leaves it to its applications to ask for them again.
cometd.addListener('/meta/handshake', ({ successful }) => {
  if (!successful) return;
  cometd.batch(() => {
    for (const channel of handlers.keys()) subscribe(channel).catch(() => {});
  });
});
cometd.handshake();
