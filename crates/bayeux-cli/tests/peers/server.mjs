// Starts, stops and restarts the server under test.
//
// BAYEUX_BIN names the binary (default: target/release/bayeux of this workspace). BAYEUX_PEER_SERVER=faye runs Faye's own
// server instead: what fails against both is the test's fault, what fails against ours alone is ours.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { within } from './waiting.mjs';

export const againstFaye = process.env.BAYEUX_PEER_SERVER === 'faye';

/** How long a connect is held in these tests. */
export const TIMEOUT_MS = 2000;

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const binary = process.env.BAYEUX_BIN ?? here('../../../../target/release/bayeux');
// No session expires while a test runs, however slow the machine: what ends one is what the test does.
const SERVE = ['--path', '/bayeux', '--timeout', `${TIMEOUT_MS}ms`, '--interval', '0', '--max-interval', '2m'];

export class Server {
  #child;
  #errors = [];

  /** A server that is ready, on a free port. `command` is `serve` or `dev`. */
  static async start({ command = 'serve', workers = 2, extra = [] } = {}) {
    const server = new Server();
    server.command = command;
    server.extra = [...(command === 'serve' ? ['--workers', String(workers)] : []), ...extra];
    await server.#run(0);
    return server;
  }

  /** Ends the server and gives how it ended: `{ code, signal }`. */
  async stop(signal = 'SIGTERM') {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return { code: child.exitCode, signal: child.signalCode };
    const exit = once(child, 'exit');
    child.kill(signal);
    const [code, by] = await within(exit, `the server's end by ${signal}`, 10_000).catch((error) => {
      child.kill('SIGKILL');
      throw error;
    });
    return { code, signal: by };
  }

  /** Ends the server and starts another on the same port. */
  async restart(signal) {
    const end = await this.stop(signal);
    await this.#run(Number(new URL(this.url).port));
    return end;
  }

  async #run(port) {
    const [program, args] = againstFaye
      ? [process.execPath, [here('faye-server.mjs'), String(port), String(TIMEOUT_MS)]]
      : [binary, [this.command, '--listen', `127.0.0.1:${port}`, ...(this.command === 'serve' ? SERVE : []), ...this.extra]];
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    // A failed test must not leave a server behind.
    process.once('exit', () => child.kill('SIGKILL'));
    child.stderr.on('data', (chunk) => this.#errors.push(chunk));
    const marks = this.command === 'dev' ? /^\s*chat:\s*(http:\S+)/ : /^listening on (http:\S+)$/;
    const ready = new Promise((resolve, reject) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        const found = marks.exec(line);
        if (found) resolve(found[1]);
      });
      child.once('error', (error) => reject(new Error(`cannot run ${program}: ${error.message}`)));
      child.once('exit', (code, by) => reject(new Error(`the server ended (${code ?? by}) before it was ready:\n${this.log}`)));
    });
    this.url = await within(ready, 'the line that says the server is ready', 10_000);
  }

  /** What the server wrote on standard error, the last lines of it. */
  get log() {
    return Buffer.concat(this.#errors).toString().split('\n').slice(-20).join('\n');
  }
}
