'use strict';
// A Bitwarden-compatible server for tests: HTTPS on loopback with a throw-away
// CA, real cryptography, faults on command. A test tool; never a vault.
// Usage: node server.js --seed FILE [--port N] [--dir DIR] [--iterations N]
//        [--token-lifetime SECONDS] [--limiter]

const fs = require('node:fs');
const https = require('node:https');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { makeCertificates } = require('./cert');
const { Store } = require('./store');
const { Limiter } = require('./limiter');
const { Faults } = require('./faults');
const { Api, errorReply } = require('./api');
const { Journal, controlServer, readBody } = require('./control');

const LOOPBACK = '127.0.0.1';
const delay = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

function send(response, { status, type, body, headers = {} }) {
  response.writeHead(status, {
    'content-type': type, 'content-length': body.length, ...headers,
  });
  response.end(body);
}

// Half of a good answer: truncate promises the rest and closes, cut does not.
function sendHalf(response, good, isTruncated) {
  const half = good.body.subarray(0, good.body.length >> 1);
  if (!isTruncated) return send(response, { ...good, body: half });
  response.writeHead(good.status, {
    'content-type': good.type, 'content-length': good.body.length,
  });
  return response.write(half, () => response.socket?.destroy());
}

// Answers one request as the fault says. good() makes the proper answer.
function misbehave(fault, faults, request, response, good) {
  const socket = request.socket;
  switch (fault.action) {
    case 'hang': faults.hold(socket); return 0;
    case 'drop': socket.destroy(); return 0;
    case 'status':
      send(response, errorReply(fault.status, fault.message));
      return fault.status;
    case 'garbage':
      send(response, { status: 200, type: fault.type, body: Buffer.from(fault.body) });
      return 200;
    case 'redirect':
      send(response, {
        status: fault.status, type: 'text/plain', body: Buffer.alloc(0),
        headers: { location: fault.to + request.url },
      });
      return fault.status;
    default: {
      const answer = good();
      sendHalf(response, answer, fault.action === 'truncate');
      return answer.status;
    }
  }
}

function handler({ api, faults, journal }) {
  return async (request, response) => {
    const where = request.url.split('?')[0];
    const entry = journal.begin(request.method, where);
    response.on('error', () => {});
    const body = await readBody(request);
    const { delay: ms, fault } = faults.take(request.method, where);
    entry.fault = fault?.mode ?? (ms > 0 ? 'slow' : null);
    if (ms > 0) await delay(ms);
    const good = () => api.answer({
      method: request.method, path: where, headers: request.headers, body,
      note: entry,
    });
    if (fault) {
      const status = misbehave(fault, faults, request, response, good);
      if (fault.action !== 'hang') journal.end(entry, status);
      return;
    }
    const answer = good();
    send(response, answer);
    journal.end(entry, answer.status);
  };
}

// The HTTPS listener, which tests may take down and put up on the same port.
class Listener {
  constructor(tls, onRequest, port) {
    this.server = https.createServer(tls, (request, response) => {
      onRequest(request, response).catch(() => request.socket.destroy());
    });
    this.server.on('tlsClientError', () => {});
    this.sockets = new Set();
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    this.port = port;
  }

  up() {
    if (this.server.listening) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(this.port, LOOPBACK, () => {
        this.server.removeListener('error', reject);
        this.port = this.server.address().port;
        resolve();
      });
    });
  }

  down() {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      for (const socket of this.sockets) socket.destroy();
    });
  }
}

function options() {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      port: { type: 'string', default: '0' },
      dir: { type: 'string' },
      iterations: { type: 'string' },
      'token-lifetime': { type: 'string', default: '7200' },
      limiter: { type: 'boolean', default: false },
    },
  });
  if (!values.seed) throw new Error('--seed FILE is missing');
  if (!(Number(values['token-lifetime']) > 300)) {
    // The CLI renews a token 300 s early, and hangs when the new one is no better.
    throw new Error('--token-lifetime must be above 300 seconds');
  }
  return values;
}

// A private directory for ca.pem and the control socket. Ours to remove only
// when we made it.
function stateDirectory(given) {
  const dir = given ?? fs.mkdtempSync(path.join(os.tmpdir(), 'vault-server-'));
  fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
  fs.chmodSync(dir, 0o700);
  return dir;
}

function removeState(dir, isOurs) {
  for (const name of ['ca.pem', 'control']) {
    fs.rmSync(path.join(dir, name), { force: true });
  }
  if (isOurs) fs.rmSync(dir, { recursive: true, force: true });
}

async function main() {
  process.umask(0o077);
  const values = options();
  const seed = JSON.parse(fs.readFileSync(values.seed, 'utf8'));
  const store = new Store({
    iterations: values.iterations && Number(values.iterations),
  });
  await store.load(seed);

  const dir = stateDirectory(values.dir);
  const stop = () => {
    removeState(dir, values.dir === undefined);
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, stop);
  process.stdin.on('end', stop).on('error', stop).resume();

  const limiter = new Limiter();
  limiter.configure({ enabled: values.limiter });
  const faults = new Faults();
  const journal = new Journal();
  const api = new Api({
    store, limiter, counters: journal.counters,
    tokenLifetime: Number(values['token-lifetime']),
  });
  const { ca, cert, key } = makeCertificates();
  const caFile = path.join(dir, 'ca.pem');
  fs.writeFileSync(caFile, ca);

  const listener = new Listener({ cert, key }, handler({ api, faults, journal }),
    Number(values.port));
  await listener.up();
  api.base = `https://${LOOPBACK}:${listener.port}`;
  const control = path.join(dir, 'control');
  fs.rmSync(control, { force: true });
  const server = controlServer({ store, faults, limiter, journal, listener, stop });
  await new Promise((resolve, reject) => {
    server.once('error', reject).listen(control, resolve);
  });
  process.stdout.write(JSON.stringify(
    { url: api.base, ca: caFile, control, pid: process.pid }) + '\n');
}

main().catch((e) => {
  process.stderr.write(`vault-server: ${e.message}\n`);
  process.exit(1);
});
