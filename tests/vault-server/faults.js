'use strict';
// Faults that a test plants while the server runs. A fault matches requests by
// method and path, may skip the first few (after) and wear out (times). The
// first planted fault that matches decides, except that "slow" only delays.

const { fail, only } = require('./seed');

const TOKEN = '^/identity/connect/token$';
const SYNC = '^/api/sync$';

// What each mode does unless the command says otherwise.
const MODES = {
  error500: { action: 'status', status: 500, message: 'planted server error' },
  sync500: { action: 'status', status: 500, path: SYNC, message: 'planted server error' },
  token500: { action: 'status', status: 500, path: TOKEN, message: 'planted server error' },
  ratelimit: { action: 'status', status: 429, path: TOKEN, message: 'Too many login requests' },
  unauthorized: { action: 'status', status: 401, path: '^/api/', message: 'Invalid claim' },
  status: { action: 'status', status: 503, message: 'planted status' },
  slow: { action: 'slow', ms: 1000 },
  hang: { action: 'hang' },
  drop: { action: 'drop' },
  garbage: { action: 'garbage', body: '<html><body>not the vault</body></html>', type: 'text/html' },
  truncate: { action: 'truncate' },
  cut: { action: 'cut' },
  redirect: { action: 'redirect', status: 307 },
};
const OPTIONS = new Set(['mode', 'method', 'path', 'after', 'times', 'ms',
  'status', 'message', 'body', 'type', 'to']);

class Faults {
  constructor() {
    this.planted = [];
    this.held = new Set(); // sockets of requests that hang
    this.lastId = 0;
  }

  plant(spec) {
    only(spec, OPTIONS, 'fault');
    if (!Object.hasOwn(MODES, spec.mode)) {
      fail(`fault: mode "${spec.mode}" is none of ${Object.keys(MODES).join(' ')}`);
    }
    const fault = { id: ++this.lastId, hits: 0, ...MODES[spec.mode], ...spec };
    if (fault.action === 'redirect' && !fault.to) fail('fault: redirect needs "to"');
    fault.pattern = new RegExp(fault.path ?? '.');
    this.planted.push(fault);
    return fault.id;
  }

  // Without an id every fault goes; requests that hang are then cut off.
  clear(id) {
    this.planted = this.planted.filter((f) => id !== undefined && f.id !== id);
    if (!this.planted.some((f) => f.action === 'hang')) this.release();
  }

  hold(socket) {
    this.held.add(socket);
    socket.once('close', () => this.held.delete(socket));
  }

  release() {
    for (const socket of this.held) socket.destroy();
  }

  // Returns { delay, fault }: fault is null when the request is answered well.
  take(method, path) {
    let delay = 0;
    for (const fault of [...this.planted]) {
      if (fault.method && fault.method !== method) continue;
      if (!fault.pattern.test(path)) continue;
      fault.hits++;
      if (fault.hits <= (fault.after ?? 0)) continue;
      if (fault.times !== undefined && --fault.times <= 0) {
        this.planted = this.planted.filter((f) => f !== fault);
      }
      if (fault.action !== 'slow') return { delay, fault };
      delay += fault.ms;
    }
    return { delay, fault: null };
  }

  list() {
    return this.planted.map(({ id, mode, method, path, after, times, hits }) =>
      ({ id, mode, method, path, after, times, hits }));
  }
}

module.exports = { Faults, MODES };
