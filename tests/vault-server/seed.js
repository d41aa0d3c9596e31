'use strict';
// Reads a seed (README.md describes it) into plain, checked objects with ids.
// Ids come from names, so the same seed gives the same ids in every run.

const crypto = require('node:crypto');

const TYPES = { login: 1, note: 2, card: 3, identity: 4, sshkey: 5 };
const FIELD_TYPES = { text: 0, hidden: 1, boolean: 2, linked: 3 };
const ROLES = { owner: 0, admin: 1, user: 2, manager: 3 };
const ITEM_FIELDS = new Set(['id', 'type', 'name', 'username', 'password',
  'totp', 'uris', 'notes', 'fields', 'trashed', 'archived', 'reprompt',
  'itemKey', 'corrupt', 'collections', 'count', 'account']);
const CORRUPT = new Set(['key', 'name', 'password', 'notes', 'fields']);

function fail(text) {
  throw Object.assign(new Error(text), { isUserError: true });
}

function only(object, allowed, where) {
  if (object === null || typeof object !== 'object' || Array.isArray(object)) {
    fail(`${where}: not an object`);
  }
  for (const key of Object.keys(object)) {
    if (!allowed.has(key)) fail(`${where}: unknown field "${key}"`);
  }
}

function text(value, where) {
  if (typeof value !== 'string') fail(`${where}: not a string`);
  return value;
}

function pick(table, value, where) {
  if (!Object.hasOwn(table, value)) {
    fail(`${where}: "${value}" is none of ${Object.keys(table).join(' ')}`);
  }
  return table[value];
}

function uuidOf(...parts) {
  const hex = crypto.createHash('sha256').update(JSON.stringify(parts))
    .digest('hex');
  const variant = ((parseInt(hex[16], 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-` +
    `${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

// Gives "the same name again" another id: the first of a name keeps its own.
class Ids {
  constructor() { this.seen = new Map(); }

  of(...parts) {
    const key = JSON.stringify(parts);
    const n = this.seen.get(key) ?? 0;
    this.seen.set(key, n + 1);
    return n === 0 ? uuidOf(...parts) : uuidOf(...parts, n);
  }
}

function fieldOf(spec, where) {
  only(spec, new Set(['name', 'value', 'type']), where);
  return {
    name: spec.name ?? null,
    value: spec.value ?? null,
    type: pick(FIELD_TYPES, spec.type ?? 'text', `${where}.type`),
  };
}

function oneItem(spec, ids, scope, where) {
  only(spec, ITEM_FIELDS, where);
  const name = text(spec.name, `${where}.name`);
  if (spec.corrupt !== undefined && !CORRUPT.has(spec.corrupt)) {
    fail(`${where}.corrupt: "${spec.corrupt}" is none of ${[...CORRUPT].join(' ')}`);
  }
  return {
    id: spec.id ?? ids.of('item', ...scope, name),
    type: pick(TYPES, spec.type ?? 'login', `${where}.type`),
    name,
    username: spec.username ?? null,
    password: spec.password ?? null,
    totp: spec.totp ?? null,
    uris: spec.uris ?? [],
    notes: spec.notes ?? null,
    fields: (spec.fields ?? []).map((f, i) => fieldOf(f, `${where}.fields[${i}]`)),
    trashed: spec.trashed === true,
    archived: spec.archived === true,
    reprompt: spec.reprompt === true,
    itemKey: spec.itemKey !== false,
    corrupt: spec.corrupt ?? null,
  };
}

const numbered = (spec, n) => JSON.parse(
  JSON.stringify(spec).replaceAll('{n}', String(n)));

// Expands "count" (with {n} in any string) and returns
// [{ item, also: names of further collections, account }].
function readItems(list, ids, scope, where) {
  if (!Array.isArray(list)) fail(`${where}: not a list`);
  const out = [];
  list.forEach((spec, i) => {
    const at = `${where}[${i}]`;
    const count = spec.count ?? 1;
    if (!Number.isInteger(count) || count < 0 || count > 100000) {
      fail(`${at}.count: not a whole number up to 100000`);
    }
    for (let n = 0; n < count; n++) {
      const one = spec.count === undefined ? spec : numbered(spec, n);
      out.push({
        item: oneItem(one, ids, scope, at),
        also: one.collections ?? [],
        account: one.account,
      });
    }
  });
  return out;
}

function readAccount(spec, where) {
  only(spec, new Set(['id', 'email', 'name', 'password', 'clientSecret',
    'iterations']), where);
  const email = text(spec.email, `${where}.email`).trim().toLowerCase();
  return {
    id: spec.id ?? uuidOf('account', email),
    email,
    name: spec.name ?? email.split('@')[0],
    password: text(spec.password, `${where}.password`),
    clientSecret: text(spec.clientSecret, `${where}.clientSecret`),
    iterations: spec.iterations,
  };
}

function readCollection(spec, ids, orgName, where) {
  only(spec, new Set(['id', 'name', 'access', 'items']), where);
  const name = text(spec.name, `${where}.name`);
  return {
    id: spec.id ?? ids.of('collection', orgName, name),
    name,
    // null: every member. Otherwise e-mail -> { readOnly, hidePasswords, manage }
    access: spec.access ?? null,
    items: readItems(spec.items ?? [], ids, [orgName, name], `${where}.items`),
  };
}

function readOrganization(spec, accounts, ids, where) {
  only(spec, new Set(['id', 'name', 'members', 'collections']), where);
  const name = text(spec.name, `${where}.name`);
  const members = spec.members ??
    accounts.map((a) => ({ email: a.email, role: 'user' }));
  return {
    id: spec.id ?? ids.of('organization', name),
    name,
    members: members.map((m, i) => ({
      email: text(m.email, `${where}.members[${i}].email`).toLowerCase(),
      role: pick(ROLES, m.role ?? 'user', `${where}.members[${i}].role`),
    })),
    collections: (spec.collections ?? []).map((c, i) =>
      readCollection(c, ids, name, `${where}.collections[${i}]`)),
  };
}

function readSeed(spec) {
  only(spec, new Set(['comment', 'iterations', 'accounts', 'organizations',
    'items']), 'seed');
  const ids = new Ids();
  const accounts = (spec.accounts ?? [])
    .map((a, i) => readAccount(a, `accounts[${i}]`));
  if (accounts.length === 0) fail('seed: no accounts');
  return {
    iterations: spec.iterations,
    accounts,
    organizations: (spec.organizations ?? []).map((o, i) =>
      readOrganization(o, accounts, ids, `organizations[${i}]`)),
    personal: readItems(spec.items ?? [], ids, ['personal'], 'items'),
  };
}

module.exports = { readSeed, readItems, Ids, uuidOf, fail, only };
