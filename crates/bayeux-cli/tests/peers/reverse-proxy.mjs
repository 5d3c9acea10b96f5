// nginx or haproxy in front of a server, by the configuration in docs/proxies. Only what differs here is another: ports and
// addresses, and where the certificate is.
//
// BAYEUX_NGINX and BAYEUX_HAPROXY name the programs (default: where Debian's packages put them).
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { within } from './waiting.mjs';

const KINDS = {
  nginx: {
    program: process.env.BAYEUX_NGINX ?? '/usr/sbin/nginx',
    config: 'nginx.conf',
    changes: ({ port, tlsPort, server, certificate, key }) => [
      ['listen 80 ', `listen 127.0.0.1:${port} `],
      ['listen 443 ', `listen 127.0.0.1:${tlsPort} `],
      ['server 127.0.0.1:8080;', `server ${server};`],
      ['/etc/ssl/app.example.pem', certificate],
      ['/etc/ssl/private/app.example.key', key],
    ],
    // What Debian's own nginx.conf is around it, as far as it matters here; it compresses all it may.
    around: (site, directory) => `
      daemon off; master_process off; pid ${directory}/pid; error_log stderr warn;
      events { worker_connections 256; }
      http {
        ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${directory}/${name};`).join(' ')}
        access_log off; gzip on; gzip_types *; gzip_proxied any; gzip_min_length 1;
        ${site}
      }`,
    run: (config) => ['-e', 'stderr', '-c', config],
  },
  haproxy: {
    program: process.env.BAYEUX_HAPROXY ?? '/usr/sbin/haproxy',
    config: 'haproxy.cfg',
    changes: ({ port, tlsPort, server, both }) => [
      ['bind :80\n', `bind 127.0.0.1:${port}\n`],
      ['bind :443 ', `bind 127.0.0.1:${tlsPort} `],
      ['server bayeux 127.0.0.1:8080', `server bayeux ${server}`],
      ['/etc/haproxy/app.example.pem', both],
    ],
    around: (site) => site,
    run: (config) => ['-db', '-n', '256', '-f', config],
  },
};

export const PROXIES = Object.keys(KINDS);

export class ReverseProxy {
  #kind;
  #child;
  #errors = [];
  #directory = mkdtempSync(join(tmpdir(), 'bayeux-proxy-'));

  /** One in front of the server at this URL. `url` and `tlsUrl` are what clients use in its stead; `ca` is to be trusted. */
  static async start(kind, serverUrl) {
    const proxy = new ReverseProxy();
    proxy.#kind = KINDS[kind];
    const { host, pathname } = new URL(serverUrl);
    const [port, tlsPort] = [await freePort(), await freePort()];
    proxy.url = `http://127.0.0.1:${port}${pathname}`;
    proxy.tlsUrl = `https://127.0.0.1:${tlsPort}${pathname}`;
    proxy.#configure({ port, tlsPort, server: host, ...proxy.#makeCertificate() });
    await proxy.run();
    return proxy;
  }

  /** Runs it, until it takes connections. */
  async run() {
    const { program, run } = this.#kind;
    if (!existsSync(program)) throw new Error(`there is no ${program}: cargo xtask setup installs it`);
    const child = spawn(program, run(this.#path('config')), { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    // A failed test must not leave it behind.
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
    child.stderr.on('data', (chunk) => this.#errors.push(chunk));
    const failed = new Promise((_, reject) => {
      child.once('error', reject);
      child.once('exit', (code, by) => reject(new Error(`${program} ended (${code ?? by}):\n${this.log}`)));
    });
    failed.catch(() => {});
    await within(Promise.race([accepts(this.url, child), failed]), `${program} takes connections`, 10_000);
  }

  /** Ends it, and breaks every connection through it. */
  async stop() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await within(exit, `${this.#kind.program} ends`, 10_000);
  }

  async close() {
    await this.stop();
    rmSync(this.#directory, { recursive: true });
  }

  get log() {
    return Buffer.concat(this.#errors).toString();
  }

  #path(name) {
    return join(this.#directory, name);
  }

  #configure(values) {
    const { config, changes, around } = this.#kind;
    let site = readFileSync(new URL(`../../../../docs/proxies/${config}`, import.meta.url), 'utf8');
    for (const [from, to] of changes(values)) {
      if (site.split(from).length !== 2) throw new Error(`docs/proxies/${config} has not once: ${from}`);
      site = site.replace(from, to);
    }
    writeFileSync(this.#path('config'), around(site, this.#directory));
  }

  #makeCertificate() {
    const [certificate, key, both] = ['certificate.pem', 'key.pem', 'both.pem'].map((name) => this.#path(name));
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
    execFileSync('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', key, '-out', certificate], { stdio: 'pipe' });
    this.ca = readFileSync(certificate, 'utf8');
    writeFileSync(both, this.ca + readFileSync(key, 'utf8'));
    return { certificate, key, both };
  }
}

/** A port that nobody listens on, and that the system gives to no connection by itself. */
async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const listener = net.createServer();
    const free = await new Promise((resolve) => {
      listener.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    listener.close();
    await once(listener, 'close');
    return port;
  }
}

/** Tries again and again until a connection is taken, as long as the program runs. */
async function accepts(url, child) {
  const { port, hostname } = new URL(url);
  while (child.exitCode === null && child.signalCode === null) {
    const socket = net.connect(Number(port), hostname);
    const taken = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (taken) return;
  }
}
