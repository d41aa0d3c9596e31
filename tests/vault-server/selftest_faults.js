'use strict';
// How a fresh login of the real bw takes each fault. All versions try at once.

const path = require('node:path');
const { Bw } = require('./bwcli');

const TOKEN = '^/identity/connect/token$';

// name, the faults to plant, and what the failed login must say.
const LOGIN_FAULTS = [
  ['token500', [{ mode: 'token500' }], /planted server error/],
  ['error500', [{ mode: 'error500' }], /planted server error/],
  ['status', [{ mode: 'status', status: 503, path: TOKEN }], /planted status/],
  ['ratelimit', [{ mode: 'ratelimit' }], /Rate limit exceeded/],
  ['drop', [{ mode: 'drop', path: TOKEN }], /socket hang up|ECONNRESET|FetchError/],
  ['garbage', [{ mode: 'garbage', path: TOKEN }], /./],
  ['cut', [{ mode: 'cut', path: TOKEN }], /JSON|Unexpected|invalid/],
];

// A login in a new directory that already knows the server.
async function freshLogin(context, name, account, onStart) {
  const bw = new Bw({
    script: context.script, ca: context.ca,
    dir: path.join(context.scratch, `${context.version}-${name}`),
  });
  const config = await bw.run(['config', 'server', context.server.url]);
  if (!config.answer?.success) throw new Error('config server failed');
  return { bw, ...await bw.login({ ...context.account, ...account }, { onStart }) };
}

const failed = (r) => !(r.code === 0 && r.answer?.success === true);
const message = (r) => `${r.answer?.message ?? ''} ${r.stderr}`;

const everyVersion = (contexts, run) => Promise.all(contexts.map(run));

async function plantedCases(tap, contexts, server) {
  // config server once for each version; a failed login leaves it usable.
  const bws = await everyVersion(contexts, async (context) =>
    (await freshLogin(context, 'faults', { clientSecret: 'wrong' })));
  bws.forEach((r, i) => tap.ok(failed(r) && /Incorrect client_secret/.test(message(r)),
    `${contexts[i].version}: a wrong key is refused`, r.answer));
  for (const [name, plants, text] of LOGIN_FAULTS) {
    for (const plant of plants) await server.control('fault', plant);
    const results = await everyVersion(contexts, (c, i) => bws[i].bw.login(c.account));
    results.forEach((r, i) => tap.ok(failed(r) && text.test(message(r)),
      `${contexts[i].version} fault ${name}: login fails`,
      { code: r.code, answer: r.answer, stderr: r.stderr }));
    await server.control('clear');
  }
  return bws.map((r) => r.bw);
}

async function accountCases(tap, contexts, server, bws) {
  const email = contexts[0].account.email;
  const tryAll = () => everyVersion(contexts, (c, i) => bws[i].login(c.account));
  await server.control('account', { email, revoked: true });
  let results = await tryAll();
  results.forEach((r, i) => tap.ok(failed(r) && /Incorrect client_secret/.test(message(r)),
    `${contexts[i].version}: a revoked key is refused`, r.answer));
  await server.control('account', { email, revoked: false });

  await server.control('limiter', { burst: 1, seconds: 60 });
  results = await tryAll();
  const good = results.filter((r) => !failed(r)).length;
  const limited = results.filter((r) => /Rate limit exceeded/.test(message(r))).length;
  tap.ok(good === 1 && limited === contexts.length - 1,
    'limiter: one login of a burst of one, the rest get 429', { good, limited });
  await server.control('limiter', { enabled: false });
  return results.findIndex((r) => !failed(r));
}

// On serves that are logged in: the password changes, their token is refused.
async function sessionCases(tap, contexts, server) {
  const { email, password } = contexts[0].account;
  const ask = (method, route, body) => everyVersion(contexts, (c) =>
    c.serve.request(method, route, body));
  const check = (results, isGood, name) => results.forEach((r, i) =>
    tap.ok(isGood(r.answer), `${contexts[i].version}: ${name}`, r));

  await server.control('account', { email, password: 'changed', keepTokens: true });
  check(await ask('POST', '/sync?force=true'), (a) => a?.success,
    'a session outlives a change with keepTokens');
  await ask('POST', '/lock');
  check(await ask('POST', '/unlock', { password }), (a) => a?.success === false,
    'the old password does not unlock');
  check(await ask('POST', '/unlock', { password: 'changed' }), (a) => a?.success,
    'the changed password does');
  await server.control('account', { email, password, keepTokens: true });
  await server.control('fault', { mode: 'unauthorized', path: '^/api/sync$' });
  check(await ask('POST', '/sync?force=true'),
    (a) => a?.success === false && /Invalid claim/.test(a.message),
    'fault unauthorized: sync fails');
  await server.control('clear');
  check(await ask('GET', '/status'),
    (a) => a?.data.template.status === 'unauthenticated',
    'fault unauthorized: and logs out');
  check(await ask('POST', '/sync?force=true'), (a) => a?.success,
    'a serve that is logged out calls every sync a success');
}

// Faults that need the log or the listener. Only the first context's bw.
async function connectionCases(tap, context, server, bw) {
  const { account, version } = context;
  for (const mode of ['hang', 'truncate']) {
    await server.control('reset');
    await server.control('fault', { mode, path: TOKEN });
    let child = null;
    const login = bw.login(account, { onStart: (c) => { child = c; } });
    const [seen] = await server.control('wait', { path: TOKEN, timeout: 30 });
    if (mode === 'hang') child.kill('SIGKILL');
    const r = await login;
    tap.ok(failed(r) && seen.fault !== undefined, `${version} fault ${mode}: no login`,
      { code: r.code, stdout: r.stdout, stderr: r.stderr });
    await server.control('clear');
  }
  await server.control('reset');
  await server.control('fault', { mode: 'redirect', path: TOKEN, to: `${server.url}/elsewhere` });
  let r = await bw.login(account);
  const log = await server.control('log');
  tap.ok(failed(r) && log.some((e) => e.path === '/elsewhere/identity/connect/token'),
    `${version} fault redirect: is followed`, { answer: r.answer, log });
  await server.control('clear');

  await server.control('down');
  r = await bw.login(account);
  tap.ok(failed(r) && /ECONNREFUSED/.test(message(r)), `${version} down: login fails`, r.answer);
  await server.control('up');
  const noCa = new Bw({ script: context.script, dir: bw.dir });
  r = await noCa.login(account);
  tap.ok(failed(r) && /certificate/.test(message(r)), `${version}: no CA, no login`, r.answer);
  r = await bw.login(account);
  tap.ok(!failed(r), `${version} up: login works again`, r.stderr);
}

async function logCases(tap, server) {
  const log = await server.control('log');
  const sync = log.find((e) => e.path === '/api/sync' && e.status === 200);
  tap.ok(/^[0-9a-f-]{36}$/.test(sync?.device ?? '') && sync.account === 'boot@example.test',
    'log: a sync names its device and account', log);
  const counters = await server.control('counters');
  tap.ok(counters.logins >= 1 && counters.syncs >= 1 &&
    counters.devices.some((d) => d.id === sync?.device),
  'counters: logins, syncs, devices', counters);
  const refusal = await server.control('fault', { mode: 'nonsense' }).catch((e) => e.message);
  tap.ok(/none of/.test(refusal), 'control: an unknown mode is refused', refusal);
}

async function faultCases(tap, contexts, server) {
  const bws = await plantedCases(tap, contexts, server);
  const lucky = await accountCases(tap, contexts, server, bws);
  // The other one is still logged out and serves for the connection faults.
  const other = (lucky + 1) % contexts.length;
  if (other === lucky) await bws[lucky].run(['logout']);
  await connectionCases(tap, contexts[other], server, bws[other]);
  await logCases(tap, server);
}

module.exports = { faultCases, sessionCases };
