'use strict';
// The vault itself: accounts, organisations, collections and items, in plain
// and (made once, on demand) in encrypted form, and what tests change in it.

const crypto = require('node:crypto');
const bw = require('./crypto');
const { readSeed, readItems, Ids, fail } = require('./seed');

const DEFAULT_ITERATIONS = 600000;

class Store {
  constructor(options = {}) {
    this.iterations = options.iterations;
    this.skew = 0; // seconds added to revision dates, to imitate a wrong clock
    this.accounts = new Map();
    this.organizations = new Map();
    this.collections = new Map();
    this.items = new Map();
    this.lastRevision = 0;
  }

  // Replaces everything. An account that stays keeps its keys and its tokens.
  async load(spec) {
    const seed = readSeed(spec);
    const iterations = this.iterations ?? seed.iterations ?? DEFAULT_ITERATIONS;
    const accounts = await Promise.all(seed.accounts.map((a) =>
      this.openAccount({ ...a, iterations: a.iterations ?? iterations })));
    this.accounts = new Map(accounts.map((a) => [a.id, a]));
    this.organizations.clear();
    this.collections.clear();
    this.items.clear();
    for (const org of seed.organizations) this.addOrganization(org);
    const pending = seed.organizations.flatMap((org) =>
      org.collections.map((c) => [this.collections.get(c.id), c.items]));
    for (const [collection, entries] of pending) this.addItems(collection, entries);
    for (const entry of seed.personal) this.addPersonal(entry);
    this.touch();
  }

  async openAccount(seed) {
    const known = this.accounts.get(seed.id);
    const account = known ?? {
      stamp: crypto.randomUUID(),
      userKey: bw.newKey(),
      rsa: await bw.newRsaPair(),
      devices: new Map(),
      organizationKeys: new Map(),
    };
    const samePassword = known && known.password === seed.password &&
      known.email === seed.email && known.iterations === seed.iterations;
    Object.assign(account, seed, { revoked: false });
    if (!samePassword) await this.wrapUserKey(account);
    account.wrappedPrivateKey ??= bw.encrypt(account.userKey, account.rsa.privateDer);
    return account;
  }

  async wrapUserKey(account) {
    const master = await bw.stretchedMasterKey(account.email, account.password,
      account.iterations);
    account.wrappedUserKey = bw.encrypt(master, account.userKey);
  }

  addOrganization(seed) {
    if (this.organizations.has(seed.id)) fail(`organization "${seed.name}" is there already`);
    const org = { id: seed.id, name: seed.name, members: seed.members, key: bw.newKey() };
    this.organizations.set(org.id, org);
    for (const c of seed.collections) this.addCollection(org, c);
    return org;
  }

  addCollection(org, { id, name, access }) {
    if (this.collections.has(id)) fail(`collection "${name}" is there already`);
    const collection = {
      id, org, name, access, encName: bw.encryptText(org.key, name),
    };
    this.collections.set(id, collection);
    return collection;
  }

  addItems(collection, entries) {
    for (const { item, also } of entries) {
      const names = also.map((name) =>
        this.findCollection({ name, organization: collection.org.name }));
      this.items.set(item.id, {
        item,
        org: collection.org,
        account: null,
        collections: new Set([collection, ...names]),
        created: Date.now(),
      });
    }
  }

  addPersonal({ item, account }) {
    const owner = account ? this.findAccount(account)
      : this.accounts.values().next().value;
    this.items.set(item.id, {
      item, org: null, account: owner, collections: new Set(), created: Date.now(),
    });
  }

  // --- finding -----------------------------------------------------------

  // Without an e-mail: the first account.
  findAccount(email) {
    if (email === undefined) return this.accounts.values().next().value;
    for (const account of this.accounts.values()) {
      if (account.email === email.toLowerCase()) return account;
    }
    return fail(`no account "${email}"`);
  }

  findOrganization(name) {
    for (const org of this.organizations.values()) {
      if (org.name === name || org.id === name) return org;
    }
    return fail(`no organization "${name}"`);
  }

  // By id, or by name (and organization, when the name alone is ambiguous).
  findCollection({ id, name, organization }) {
    const found = [...this.collections.values()].filter((c) => (id
      ? c.id === id
      : c.name === name && (organization === undefined ||
          c.org.name === organization || c.org.id === organization)));
    if (found.length === 1) return found[0];
    return fail(`${found.length} collections match "${id ?? name}"`);
  }

  // What the account may see: [{ collection, readOnly, hidePasswords, manage }].
  grants(account) {
    const out = [];
    for (const collection of this.collections.values()) {
      const member = collection.org.members.find((m) => m.email === account.email);
      if (!member) continue;
      const access = collection.access;
      if (access !== null && !Object.hasOwn(access, account.email)) continue;
      out.push({
        collection, readOnly: false, hidePasswords: false, manage: false,
        ...(access === null ? {} : access[account.email]),
      });
    }
    return out;
  }

  // --- changing ----------------------------------------------------------

  // Moves every account's revision date, which is what unforced syncs look at.
  touch() {
    this.lastRevision = Math.max(Date.now(), this.lastRevision + 1);
  }

  revision() { return this.lastRevision + Math.round(this.skew * 1000); }

  // A new password or dropTokens ends all sessions, as on Vaultwarden.
  async changeAccount({ email, password, clientSecret, revoked, dropTokens, keepTokens }) {
    const account = this.findAccount(email);
    if (password !== undefined) {
      account.password = password;
      await this.wrapUserKey(account);
    }
    if (clientSecret !== undefined) account.clientSecret = clientSecret;
    if (revoked !== undefined) account.revoked = revoked;
    if (dropTokens || (password !== undefined && !keepTokens)) {
      account.stamp = crypto.randomUUID();
    }
    this.touch();
  }

  // where: { id } or { name, organization }; change: see README.md.
  changeCollection(where, { rename, remove, add, access, items }) {
    if (add) {
      const org = this.findOrganization(where.organization);
      const id = where.id ?? this.freshIds().of('collection', org.name, where.name);
      this.addCollection(org, { id, name: where.name, access: null });
      where = { id };
    }
    const collection = this.findCollection(where);
    if (rename !== undefined) {
      collection.name = rename;
      collection.encName = bw.encryptText(collection.org.key, rename);
    }
    if (access !== undefined) collection.access = access;
    if (items !== undefined) this.changeItems({ id: collection.id, replace: items });
    if (remove) {
      this.emptyCollection(collection);
      this.collections.delete(collection.id);
    }
    this.touch();
    return { id: collection.id };
  }

  emptyCollection(collection) {
    for (const [id, entry] of this.items) {
      if (!entry.collections.delete(collection)) continue;
      if (entry.collections.size === 0) this.items.delete(id);
    }
  }

  // replace: these are the collection's items now; add: these too;
  // remove: items of these names go.
  changeItems({ id, collection: name, organization, replace, add, remove }) {
    const collection = this.findCollection({ id, name, organization });
    if (replace) this.emptyCollection(collection);
    for (const [itemId, entry] of this.items) {
      if (remove?.includes(entry.item.name) && entry.collections.has(collection)) {
        this.items.delete(itemId);
      }
    }
    const scope = [collection.org.name, collection.name];
    this.addItems(collection, readItems([...(replace ?? []), ...(add ?? [])],
      this.freshIds(), scope, 'items'));
    this.touch();
  }

  // Gives the ids a seed would give, or the next ones that are not taken.
  freshIds() {
    const ids = new Ids();
    const taken = (id) => this.items.has(id) || this.collections.has(id) ||
      this.organizations.has(id);
    return {
      of(...parts) {
        for (;;) {
          const id = ids.of(...parts);
          if (!taken(id)) return id;
        }
      },
    };
  }

  // The same collection name once more, in another organisation. Returns ids.
  duplicateCollection({ name, organization, items }) {
    const original = this.findCollection({ name, organization });
    const orgName = `${original.org.name} (another)`;
    const org = [...this.organizations.values()].find((o) => o.name === orgName) ??
      this.addOrganization({
        id: this.freshIds().of('organization', orgName), name: orgName,
        members: original.org.members, collections: [],
      });
    const id = this.freshIds().of('collection', orgName, name);
    this.addCollection(org, { id, name, access: null });
    this.changeItems({ id, replace: items ?? [] });
    return { id, organization: orgName };
  }

  // Another item of the same name in the same collection.
  duplicateItem({ collection: name, organization, item, password = 'duplicate' }) {
    const collection = this.findCollection({ name, organization });
    const entry = [...this.items.values()].find((e) =>
      e.collections.has(collection) && e.item.name === item);
    if (!entry) fail(`no item "${item}" in collection "${name}"`);
    const id = this.freshIds().of('item', 'duplicate', collection.id, item);
    this.items.set(id, {
      ...entry, item: { ...entry.item, id, password }, encrypted: undefined,
      collections: new Set(entry.collections),
    });
    this.touch();
    return { id };
  }

  // --- encrypted forms ---------------------------------------------------

  organizationKeyFor(account, org) {
    const cached = account.organizationKeys.get(org);
    if (cached) return cached;
    const wrapped = bw.encryptRsa(account.rsa.publicKey, org.key);
    account.organizationKeys.set(org, wrapped);
    return wrapped;
  }

  // The item as a client would have uploaded it; made once.
  encrypted(entry) {
    entry.encrypted ??= encryptItem(entry.item,
      entry.org ? entry.org.key : entry.account.userKey);
    return entry.encrypted;
  }
}

function encryptItem(item, ownerKey) {
  const key = item.itemKey ? bw.newKey() : ownerKey;
  const text = (value, part) => {
    const enc = bw.encryptText(key, value);
    return enc !== null && item.corrupt === part ? bw.corrupt(enc) : enc;
  };
  const wrapped = item.itemKey ? bw.encrypt(ownerKey, key) : null;
  return {
    key: wrapped && item.corrupt === 'key' ? bw.corrupt(wrapped) : wrapped,
    name: text(item.name, 'name'),
    notes: text(item.notes, 'notes'),
    username: text(item.username),
    password: text(item.password, 'password'),
    totp: text(item.totp),
    uris: item.uris.map((uri) => ({
      uri: text(uri),
      checksum: text(crypto.createHash('sha256').update(uri).digest('base64')),
    })),
    fields: item.fields.map((f) => ({
      name: text(f.name), value: text(f.value, 'fields'), type: f.type,
    })),
  };
}

module.exports = { Store };
