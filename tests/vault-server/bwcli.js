'use strict';
// Drives the real bw: one process a call, or `bw serve` on a socketpair.

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { spawn } = require('node:child_process');

const MAX_OUTPUT = 64 * 1024 * 1024;

// No child outlives us, whatever ends us.
const children = new Set();
process.on('exit', () => { for (const child of children) child.kill('SIGKILL'); });
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
  process.once(signal, () => {
    const leave = () => { if (children.size === 0) process.exit(1); };
    for (const child of children) {
      child.on('close', leave);
      child.kill('SIGKILL');
    }
    leave();
  });
}

class Bw {
  // script: bw.js; dir: a private directory for its state; ca: the CA file.
  constructor({ script, dir, ca }) {
    Object.assign(this, { script, dir, ca });
    fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
  }

  environment(extra) {
    return {
      PATH: '/usr/bin:/bin', HOME: this.dir, LANG: 'C.UTF-8',
      BITWARDENCLI_APPDATA_DIR: path.join(this.dir, 'bw'),
      BW_NOINTERACTION: 'true',
      ...(this.ca && { NODE_EXTRA_CA_CERTS: this.ca }), ...extra,
    };
  }

  spawn(args, { env, extraPipe }) {
    const child = spawn(process.execPath, [this.script, ...args], {
      cwd: this.dir, env: this.environment(env),
      stdio: ['ignore', 'pipe', 'pipe', ...(extraPipe ? ['pipe'] : [])],
    });
    children.add(child);
    child.on('close', () => children.delete(child));
    return child;
  }

  // Runs one call to its end. Returns { code, signal, stdout, stderr, answer }:
  // answer is the parsed --response object or null. onStart gets the child.
  run(args, { env, timeout = 60000, onStart } = {}) {
    return new Promise((resolve, reject) => {
      const child = this.spawn(['--response', ...args], { env });
      const timer = setTimeout(() => child.kill('SIGKILL'), timeout);
      const out = collect(child.stdout, child);
      const err = collect(child.stderr, child);
      child.on('error', reject);
      child.on('close', (code, signal) => {
        clearTimeout(timer);
        const stdout = out();
        resolve({ code, signal, stdout, stderr: err(), answer: parse(stdout) });
      });
      onStart?.(child);
    });
  }

  login({ clientId, clientSecret }, options = {}) {
    return this.run(['login', '--apikey'], {
      ...options,
      env: { BW_CLIENTID: clientId, BW_CLIENTSECRET: clientSecret },
    });
  }

  // Not by /dev/stdin: node's pipes are socketpairs, which cannot be reopened.
  unlock(password) {
    return this.run(['unlock', '--passwordenv', 'TEST_PASSWORD'],
      { env: { TEST_PASSWORD: password } });
  }

  serve() { return new Serve(this.spawn(
    ['serve', '--hostname', 'fd+connected://3'], { extraPipe: true })); }
}

// `bw serve` with one connection over a socketpair that nobody else can reach.
class Serve {
  constructor(child) {
    this.child = child;
    this.stderr = collect(child.stderr, child);
    child.stdout.resume();
    this.ended = new Promise((resolve) => {
      child.on('close', (code, signal) => resolve({ code, signal }));
    });
    const socket = child.stdio[3];
    socket.on('error', () => {});
    this.socket = socket;
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    this.agent.createConnection = () => socket;
  }

  // Resolves with { status, answer }; rejects on timeout or when serve dies.
  request(method, route, body) {
    return new Promise((resolve, reject) => {
      const request = http.request({
        method, path: route, agent: this.agent, timeout: 30000,
        headers: { host: 'localhost:8087', 'content-type': 'application/json' },
      }, (response) => {
        const text = collect(response, this.child);
        response.on('error', reject);
        response.on('end', () => resolve(
          { status: response.statusCode, answer: parse(text()) }));
      });
      request.on('error', reject);
      request.on('timeout', () => request.destroy(new Error(`${route}: no answer`)));
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  // Closing our end makes serve leave by itself.
  async close() {
    this.agent.destroy();
    this.socket.destroy();
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 10000);
    const result = await this.ended;
    clearTimeout(timer);
    return result;
  }
}

function collect(stream, child) {
  const chunks = [];
  let size = 0;
  stream.on('data', (chunk) => {
    size += chunk.length;
    if (size > MAX_OUTPUT) child.kill('SIGKILL');
    else chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

module.exports = { Bw };
