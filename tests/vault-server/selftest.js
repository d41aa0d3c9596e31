'use strict';
// Shows that the real bw, in each version given, sees in this server what the
// seed says, byte for byte, and how it takes each fault.
// Usage: node selftest.js SCRATCH_DIRECTORY VERSION=BW_JS ...

const fs = require('node:fs');
const path = require('node:path');
const { Bw } = require('./bwcli');
const { Tap, startServer } = require('./harness');
const { faultCases, sessionCases } = require('./selftest_faults');

const SEED = path.join(__dirname, 'seed.example.json');
const seed = JSON.parse(fs.readFileSync(SEED, 'utf8'));
const HIDDEN_FIELD = 1;

const seeded = (name) => seed.organizations[0].collections
  .find((c) => c.name === name).items ?? [];

// The parts of an item that matter, from the CLI's output and from the seed.
const seen = (item) => ({
  name: item.name, type: item.type,
  password: item.login?.password, username: item.login?.username ?? null,
  notes: item.notes ?? null,
  fields: (item.fields ?? []).map((f) => [f.name, f.value, f.type]),
});
const wanted = (item) => ({
  name: item.name, type: item.type === 'note' ? 2 : 1,
  password: item.password, username: item.username ?? null,
  notes: item.notes ?? null,
  fields: (item.fields ?? []).map((f) => [f.name, f.value,
    { hidden: HIDDEN_FIELD, boolean: 2 }[f.type] ?? 0]),
});

const order = (a, b) => Buffer.compare(Buffer.from(JSON.stringify(a)),
  Buffer.from(JSON.stringify(b)));
const names = (list) => list.map((x) => x.name).sort();

function expectItems(tap, label, list, collection, name) {
  const expected = seeded(name).filter((i) => !i.trashed).map(wanted);
  if (name === 'proof0-staging') {
    expected.push(...seeded('proof0').filter((i) => i.collections).map(wanted));
  }
  tap.same(list.map(seen).sort(order), expected.sort(order),
    `${label}: items of ${name} are the seed's, byte for byte`);
  tap.ok(list.every((i) => i.collectionIds.includes(collection)),
    `${label}: every item of ${name} names its collection`);
}

async function commandCases(tap, context, version) {
  const { bw, server, account } = context;
  let r = await bw.run(['config', 'server', server.url]);
  tap.ok(r.answer?.success, `${version}: config server`, r);
  r = await bw.login(account);
  tap.ok(r.code === 0 && r.answer?.success, `${version}: login --apikey`, r.stderr);
  r = await bw.run(['status']);
  tap.ok(r.answer?.data.template.serverUrl === server.url &&
    r.answer.data.template.lastSync !== null &&
    r.answer.data.template.status === 'locked',
  `${version}: status names the server, a sync, locked`, r.answer);
  r = await bw.unlock(account.password);
  const session = r.answer?.data?.raw ?? '';
  tap.ok(Buffer.from(session, 'base64').length === 64, `${version}: unlock`, r.stderr);

  const env = { BW_SESSION: session };
  r = await bw.run(['list', 'collections'], { env });
  const list = r.answer?.data.data ?? [];
  const expected = seed.organizations[0].collections
    .map((c) => c.name).filter((n) => n !== 'not for boot').sort();
  tap.same(names(list), expected, `${version}: list collections`);
  context.ids = Object.fromEntries(list.map((c) => [c.name, c.id]));

  r = await bw.run(['list', 'items', '--collectionid', context.ids.proof0], { env });
  expectItems(tap, `${version} list`, r.answer?.data.data ?? [],
    context.ids.proof0, 'proof0');
  tap.ok(!r.stderr.includes('ERROR'), `${version}: list says no error`, r.stderr);
  r = await bw.run(['list', 'org-collections', '--organizationid',
    list[0]?.organizationId], { env });
  tap.same(names(r.answer?.data.data ?? []), expected, `${version}: list org-collections`);
}

const itemsOf = async (serve, id) => (await serve.request('GET',
  `/list/object/items?collectionid=${id}`)).answer?.data.data ?? [];

async function serveCases(tap, context, version) {
  const { bw, account, ids } = context;
  const serve = bw.serve();
  context.serve = serve;
  const r = await serve.request('POST', '/unlock', { password: account.password });
  tap.ok(r.answer?.success, `${version} serve: unlock over a socketpair`, r);
  for (const name of ['proof0', 'proof0-staging', 'Proof0', 'empty']) {
    expectItems(tap, `${version} serve`, await itemsOf(serve, ids[name]),
      ids[name], name);
  }
  const bulk = await itemsOf(serve, ids.bulk);
  tap.ok(bulk.length === 1000 && bulk.every((i) =>
    i.login.password === i.name.replace('KEY_', 'value ')),
  `${version} serve: 1000 items`);
  const [concealed] = await itemsOf(serve, ids.hidden);
  tap.ok(concealed?.login.password === null,
    `${version} serve: a hidden password is null`, concealed);
}

const collectionsOf = async (serve) => names((await serve.request('GET',
  '/list/object/collections')).answer?.data.data ?? []);
const count = (list, name) => list.filter((n) => n === name).length;

const syncAll = (contexts, force = true) => Promise.all(contexts.map((c) =>
  c.serve.request('POST', force ? '/sync?force=true' : '/sync')));

// Changes in the vault, seen after a sync by the serves that are still open.
async function changeCases(tap, contexts, server) {
  await server.control('collection', { name: 'proof0', rename: 'renamed' });
  await server.control('duplicate-collection', { name: 'empty' });
  await server.control('collection', { name: 'Proof0', remove: true });
  await server.control('duplicate-item',
    { collection: 'proof0-staging', item: 'PLAIN', password: 'again' });
  await server.control('items', { collection: 'bulk', replace: [{ name: 'ONE', password: '1' }] });
  const { id: broken } = await server.control('collection', {
    name: 'broken', organization: 'Tenants', add: true,
    items: [{ name: 'BADKEY', password: 'x', corrupt: 'key' },
      { name: 'BADVALUE', password: 'x', corrupt: 'password' },
      { name: 'GOOD', password: 'good' }],
  });
  await syncAll(contexts);
  for (const { serve, ids, version } of contexts) {
    const list = await collectionsOf(serve);
    tap.ok(count(list, 'renamed') === 1 && count(list, 'proof0') === 0,
      `${version} change: collection renamed`, list);
    tap.ok(count(list, 'empty') === 2,
      `${version} change: the name in a second organisation`, list);
    tap.ok(count(list, 'Proof0') === 0, `${version} change: collection removed`, list);
    tap.same(names(await itemsOf(serve, ids['proof0-staging'])),
      ['PLAIN', 'PLAIN', 'SHARED'], `${version} change: duplicate item`);
    tap.same((await itemsOf(serve, ids.bulk)).map((i) => [i.name, i.login.password]),
      [['ONE', '1']], `${version} change: items replaced`);
    const items = await itemsOf(serve, broken);
    tap.ok(items.find((i) => i.name === 'GOOD')?.login.password === 'good' &&
      !items.some((i) => i.login?.password === 'x'),
    `${version} change: corrupt items do not decrypt`, items);
  }
}

// An unforced sync trusts the server's clock: a change it dates back is missed.
async function clockCases(tap, contexts, server) {
  await server.control('clock', { skew: -3600 });
  await server.control('items', { collection: 'bulk', replace: [{ name: 'TWO', password: '2' }] });
  await syncAll(contexts, false);
  for (const { serve, ids, version } of contexts) {
    tap.same(names(await itemsOf(serve, ids.bulk)), ['ONE'],
      `${version} change: clock skew hides a change from an unforced sync`);
  }
  await server.control('clock', { skew: 0 });
  await server.control('seed', seed);
  await syncAll(contexts);
  for (const { serve, version } of contexts) {
    tap.ok(count(await collectionsOf(serve), 'proof0') === 1, `${version} change: seed again`);
  }
}

async function syncFaultCases(tap, contexts, server) {
  for (const mode of ['sync500', 'garbage', 'drop', 'cut']) {
    await server.control('fault', { mode, path: '^/api/sync$' });
    const results = await syncAll(contexts);
    results.forEach((r, i) => tap.ok(r.answer?.success === false,
      `${contexts[i].version} fault ${mode}: a sync fails`, r));
    await server.control('clear');
  }
  await server.control('fault',
    { mode: 'slow', ms: 400, path: '^/api/sync$', times: contexts.length });
  await server.control('reset');
  const results = await syncAll(contexts);
  const slow = (await server.control('log'))
    .filter((e) => e.path === '/api/sync' && e.fault === 'slow' && e.ms >= 399);
  tap.ok(slow.length === contexts.length && results.every((r) => r.answer?.success),
    'fault slow: late but good', { results, slow });
}

async function versionContext(scratch, version, script, server) {
  const bw = new Bw({ script, dir: path.join(scratch, version), ca: server.ca });
  const state = await server.control('state');
  const account = {
    ...seed.accounts[0],
    clientId: state.accounts.find((a) => a.email === seed.accounts[0].email).clientId,
  };
  return { bw, server, account, scratch, script, version, ca: server.ca };
}

async function main() {
  const [scratch, ...pairs] = process.argv.slice(2);
  const tap = new Tap();
  const server = await startServer(['--seed', SEED, '--dir', path.join(scratch, 'server')]);
  const contexts = await Promise.all(pairs.map((pair) => {
    const [version, script] = pair.split('=');
    return versionContext(scratch, version, script, server);
  }));
  await Promise.all(contexts.map(async (context) => {
    await commandCases(tap, context, context.version);
    await serveCases(tap, context, context.version);
  }));
  await changeCases(tap, contexts, server);
  await clockCases(tap, contexts, server);
  await syncFaultCases(tap, contexts, server);
  await sessionCases(tap, contexts, server);
  const ends = await Promise.all(contexts.map((c) => c.serve.close()));
  contexts.forEach((c, i) => tap.same(ends[i], { code: 0, signal: null },
    `${c.version} serve: leaves by itself when its peer is gone`));
  await faultCases(tap, contexts, server);

  const before = fs.existsSync(server.ca);
  const end = await server.stop();
  tap.ok(before && end.code === 0 && !fs.existsSync(server.ca),
    'the server ends with its stdin and removes its files', end);
  tap.end();
}

main().catch((e) => {
  process.stdout.write(`Bail out! ${e.stack.split('\n').join(' | ')}\n`);
  process.exit(1);
});
