// A stock client with the ack extension behind a network that breaks: what reaches the application is complete, in order, and nothing twice.
//
//     node cuts.mjs CLIENT TRANSPORT CUTS [SEED]      CLIENT: node, chromium or java
import { pathToFileURL } from 'node:url';
import { Cutter } from './cutter.mjs';
import { Publisher } from './cut-publisher.mjs';
import { inChromium, inJava, inNode } from './cut-subscribers.mjs';
import { Server } from './server.mjs';
import { Log } from './waiting.mjs';

const CLIENTS = { node: inNode, chromium: inChromium, java: inJava };
const CHANNEL = '/cut/me';
/** For the next event to arrive. */
const PATIENCE_MS = 20_000;

/** Cuts the client's connections so many times; resolves with how much arrived meanwhile. Rejects if something was lost, repeated or late. */
export async function run({ client, transport, cuts, seed = Date.now() % 2 ** 32, report = () => {} }) {
  const extra = transport === 'callback-polling' ? ['--callback-polling'] : [];
  const server = await Server.start({ extra });
  const network = await Cutter.before(server.url, seed);
  const publisher = new Publisher(server.url, CHANNEL);
  const events = new Log();
  const failures = [];
  let subscriber;
  try {
    await publisher.open();
    let last = 0;
    const tell = ({ n }) => {
      if (n !== last + 1) failures.push(`after ${last} came ${n}`);
      last = n;
      publisher.goOn(n);
      events.add(n);
    };
    const settings = { url: network.url, transport, channel: CHANNEL };
    subscriber = await CLIENTS[client](settings, tell, (text) => failures.push(text));
    network.most = cuts;
    const publishing = publisher.run();
    publishing.catch((error) => failures.push(error.message));
    while (network.cuts < cuts && failures.length === 0) {
      await events.find(() => true, `an event after ${last}, and ${network.cuts} cuts`, { from: events.length, ms: PATIENCE_MS });
      report(network.cuts, last);
    }
    publisher.end();
    await publishing.catch(() => {});
    if (failures.length === 0 && last < publisher.published) {
      await events.find((n) => n === publisher.published, 'the last event', { ms: PATIENCE_MS });
    }
    if (failures.length > 0) throw new Error(`${failures[0]} (${network.cuts} cuts, seed ${seed})`);
    return { cuts: network.cuts, events: last, seed };
  } finally {
    publisher.end();
    network.most = 0;
    await subscriber?.close();
    await network.close();
    await server.stop('SIGKILL');
  }
}

async function main([client, transport, cuts, seed]) {
  if (!(client in CLIENTS) || !transport || !(Number(cuts) > 0)) {
    console.error('usage: node cuts.mjs node|chromium|java TRANSPORT CUTS [SEED]');
    return 2;
  }
  const began = Date.now();
  let shown = 0;
  const report = (done, events) => {
    if (done < shown + 100) return;
    shown = done;
    console.log(`  ${done} cuts, ${events} events`);
  };
  const settings = { client, transport, cuts: Number(cuts), report, ...(seed && { seed: Number(seed) }) };
  const result = await run(settings);
  const seconds = ((Date.now() - began) / 1000).toFixed(1);
  console.log(`${client} over ${transport}: ${result.cuts} cuts, ${result.events} events, 0 lost, 0 repeated, in order (${seconds} s, seed ${result.seed})`);
  return 0;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.exit(await main(process.argv.slice(2)).catch((error) => {
    console.error(error.message);
    return 1;
  }));
}
