'use strict';
// The control endpoint: HTTP on a Unix socket in a private directory.
// POST /COMMAND with a JSON object replies {"ok":true,"data":...} or, status
// 400, {"ok":false,"error":"..."}. README.md lists the commands.

const http = require('node:http');
const { only, fail } = require('./seed');

class Journal {
  constructor() { this.reset(); this.waiting = new Set(); }

  reset() {
    this.entries = [];
    Object.assign(this.counters ??= {}, {
      requests: 0, logins: 0, refused: 0, limited: 0, syncs: 0, revisionDates: 0,
    });
  }

  // A request has arrived; its status and time are filled in later.
  begin(method, path) {
    const entry = {
      n: ++this.counters.requests, at: Date.now(), method, path,
      account: null, device: null, fault: null, status: null, ms: null,
    };
    this.entries.push(entry);
    for (const check of [...this.waiting]) check();
    return entry;
  }

  end(entry, status) {
    entry.status = status;
    entry.ms = Date.now() - entry.at;
    for (const check of [...this.waiting]) check();
  }

  find({ path = '.', method, done, count = 1 }) {
    const pattern = new RegExp(path);
    const found = this.entries.filter((e) => pattern.test(e.path) &&
      (!method || e.method === method) && (!done || e.status !== null));
    return found.length >= count ? found : null;
  }

  // Resolves when count requests like this have arrived (done: were answered).
  wait(spec) {
    only(spec, new Set(['path', 'method', 'done', 'count', 'timeout']), 'wait');
    return new Promise((resolve, reject) => {
      let timer = null;
      const finish = (settle, value) => {
        clearTimeout(timer);
        this.waiting.delete(check);
        settle(value);
      };
      const check = () => {
        const found = this.find(spec);
        if (found) finish(resolve, found);
      };
      timer = setTimeout(() => finish(reject, Object.assign(
        new Error('wait: no such request in time'), { isUserError: true })),
      (spec.timeout ?? 10) * 1000);
      this.waiting.add(check);
      check();
    });
  }
}

const nothing = new Set();

function commands({ store, faults, limiter, journal, listener, stop }) {
  const pick = (args, names) => only(args, new Set(names), 'command');
  return {
    fault: (args) => ({ id: faults.plant(args) }),
    clear(args) { pick(args, ['id']); faults.clear(args.id); },
    limiter(args) {
      pick(args, ['enabled', 'burst', 'seconds', 'advance']);
      limiter.configure(args);
    },
    account(args) {
      pick(args, ['email', 'password', 'clientSecret', 'revoked', 'dropTokens', 'keepTokens']);
      return store.changeAccount(args);
    },
    collection(args) {
      pick(args, ['id', 'name', 'organization', 'rename', 'remove', 'add', 'access', 'items']);
      return store.changeCollection(args, args);
    },
    items(args) {
      pick(args, ['id', 'collection', 'organization', 'replace', 'add', 'remove']);
      store.changeItems(args);
    },
    'duplicate-collection': (args) => {
      pick(args, ['name', 'organization', 'items']);
      return store.duplicateCollection(args);
    },
    'duplicate-item': (args) => {
      pick(args, ['collection', 'organization', 'item', 'password']);
      return store.duplicateItem(args);
    },
    seed: (args) => store.load(args),
    clock(args) {
      pick(args, ['skew']);
      if (!Number.isFinite(args.skew)) fail('clock: skew is not a number');
      store.skew = args.skew;
    },
    down(args) { only(args, nothing, 'down'); return listener.down(); },
    up(args) { only(args, nothing, 'up'); return listener.up(); },
    log: () => journal.entries,
    counters: () => ({ ...journal.counters, devices: devices(store) }),
    reset() { journal.reset(); limiter.reset(); },
    wait: (args) => journal.wait(args),
    state: () => describe(store, faults, limiter),
    stop() { setImmediate(stop); },
  };
}

const devices = (store) => [...store.accounts.values()].flatMap((a) =>
  [...a.devices].map(([id, logins]) => ({ account: a.email, id, logins })));

// Ids and names, no secrets.
const describe = (store, faults, limiter) => ({
  accounts: [...store.accounts.values()].map((a) => ({
    email: a.email, id: a.id, clientId: `user.${a.id}`, revoked: a.revoked,
  })),
  collections: [...store.collections.values()].map((c) => ({
    id: c.id, name: c.name, organization: c.org.name, organizationId: c.org.id,
    items: [...store.items.values()].filter((e) => e.collections.has(c))
      .map((e) => ({ id: e.item.id, name: e.item.name })),
  })),
  revision: store.revision(),
  faults: faults.list(),
  limiter: { enabled: limiter.enabled, burst: limiter.burst, seconds: limiter.seconds },
});

async function readBody(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function run(table, request) {
  const name = request.url.slice(1);
  if (!Object.hasOwn(table, name)) {
    fail(`no command "${name}"; there are: ${Object.keys(table).join(' ')}`);
  }
  const body = (await readBody(request)).toString('utf8').trim();
  let args;
  try {
    args = body === '' ? {} : JSON.parse(body);
  } catch (e) {
    fail(`not JSON: ${e.message}`);
  }
  return await table[name](args) ?? null;
}

function controlServer(context) {
  const table = commands(context);
  return http.createServer(async (request, response) => {
    let status = 200;
    let answer;
    try {
      answer = { ok: true, data: await run(table, request) };
    } catch (e) {
      status = 400;
      if (!e.isUserError) process.stderr.write(`vault-server: ${e.stack}\n`);
      answer = { ok: false, error: e.message };
    }
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer) + '\n');
  });
}

module.exports = { Journal, controlServer, readBody };
