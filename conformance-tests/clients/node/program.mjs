// What every program under test does, whatever its library: carries out the commands on /conformance/do, and reports
// on /conformance/told what became of them and which events its handlers saw, in order, again until one is accepted.
import { readFileSync } from 'node:fs';

export function versionOf(name) {
  const { version } = JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url)));
  return `npm ${name} ${version}`;
}

export class Program {
  #client;
  #seq = 0;
  #reports = [];
  #sending = false;

  /** `client` has subscribe(channel, handler), unsubscribe(channel), publish(channel, data), disconnect(): promises. */
  constructor(client) {
    this.#client = client;
  }

  async carryOut({ n, subscribe, fails, unsubscribe, publish, disconnect }) {
    const handler = ({ channel, data }) => {
      this.#report({ got: [channel, data] });
      if (fails) throw new Error('this handler fails');
    };
    try {
      if (subscribe) await this.#client.subscribe(subscribe, handler);
      if (unsubscribe) await this.#client.unsubscribe(unsubscribe);
      if (publish) await this.#client.publish(...publish);
      if (disconnect) return await this.#client.disconnect();
      this.#report({ n, ok: true });
    } catch {
      this.#report({ n, ok: false });
    }
  }

  #report(report) {
    this.#reports.push({ seq: (this.#seq += 1), ...report });
    if (!this.#sending) this.#send();
  }

  async #send() {
    this.#sending = true;
    while (this.#reports.length > 0) {
      const count = this.#reports.length;
      try {
        await this.#client.publish('/conformance/told', this.#reports.slice(0, count));
        this.#reports.splice(0, count);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
    this.#sending = false;
  }
}
