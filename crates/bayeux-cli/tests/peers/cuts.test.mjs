// A short run of what `cargo xtask soak cuts` does a thousand times.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { run } from './cuts.mjs';
import { againstFaye } from './server.mjs';

// Faye's server has no ack.
describe('npm cometd with ack whose connections are cut', { skip: againstFaye }, () => {
  for (const [client, transport] of [['node', 'websocket'], ['node', 'long-polling'], ['chromium', 'websocket'], ['chromium', 'long-polling'], ['chromium', 'callback-polling']]) {
    it(`in ${client} over ${transport}: nothing is lost, nothing comes twice`, { timeout: 60_000 }, async () => {
      const { cuts, events } = await run({ client, transport, cuts: 30 });
      assert.equal(cuts, 30);
      assert.ok(events > 30, `only ${events} events`);
    });
  }
});
