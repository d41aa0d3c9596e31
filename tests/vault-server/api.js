'use strict';
// The endpoints that the CLI uses, answered as Vaultwarden answers them.

const crypto = require('node:crypto');
const views = require('./views');

class HttpError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const reply = (body, status = 200) => ({
  status, type: 'application/json', body: Buffer.from(JSON.stringify(body)),
});
const errorReply = (status, message) => reply(views.errorBody(message), status);

// Signed access tokens. They end by age or when the account's stamp changes.
class Tokens {
  constructor(lifetime) {
    this.secret = crypto.randomBytes(32);
    this.lifetime = lifetime;
    this.issued = 0;
  }

  sign(text) {
    return crypto.createHmac('sha256', this.secret).update(text).digest('base64url');
  }

  // skew: seconds by which the server's clock is ahead of ours.
  issue(account, device, clientId, issuer, skew) {
    const now = Math.floor(Date.now() / 1000);
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const text = `${part({ typ: 'JWT', alg: 'HS256' })}.${part({
      nbf: now - 1 + Math.round(skew), exp: now + this.lifetime, iss: issuer, sub: account.id,
      premium: true, name: account.name, email: account.email,
      email_verified: true, sstamp: account.stamp, device,
      devicetype: 'Linux CLI', client_id: clientId, scope: ['api'],
      amr: ['Application'], serial: ++this.issued,
    })}`;
    return `${text}.${this.sign(text)}`;
  }

  // Returns the claims of a token that is signed and not too old, or null.
  verify(token) {
    const end = token.lastIndexOf('.');
    const text = token.slice(0, end);
    if (end < 0 || token.slice(end + 1) !== this.sign(text)) return null;
    const claims = JSON.parse(Buffer.from(text.split('.')[1], 'base64url'));
    return claims.exp > Date.now() / 1000 ? claims : null;
  }
}

class Api {
  constructor({ store, limiter, counters, tokenLifetime }) {
    this.store = store;
    this.limiter = limiter;
    this.counters = counters;
    this.tokens = new Tokens(tokenLifetime);
    this.base = null;
    this.routes = [
      ['POST', /^\/identity\/connect\/token$/, (r) => this.token(r)],
      ['POST', /^\/(?:identity|api)\/accounts\/prelogin(?:\/password)?$/, (r) => this.prelogin(r)],
      ['GET', /^\/api\/config$/, () => views.config(this.base)],
      ['GET', /^\/(?:alive|api\/alive)$/, () => new Date().toISOString()],
      ['GET', /^\/api\/sync$/, (r) => this.sync(r)],
      ['GET', /^\/api\/accounts\/revision-date$/, (r) => this.revisionDate(r)],
      ['GET', /^\/api\/accounts\/profile$/, (r) => views.profile(this.store, this.account(r))],
      ['GET', /^\/api\/organizations$/, (r) => views.list(views.organizations(this.store, this.account(r)))],
      ['GET', /^\/api\/organizations\/([^/]+)$/, (r) => this.organization(r)],
      ['GET', /^\/api\/organizations\/([^/]+)\/collections(?:\/details)?$/, (r) => this.organizationCollections(r)],
      ['GET', /^\/api\/collections$/, (r) => views.list(views.collections(this.store, this.account(r)))],
      ['GET', /^\/api\/ciphers$/, (r) => views.list(views.ciphers(this.store, this.account(r)))],
      ['GET', /^\/api\/ciphers\/([^/]+)(?:\/details)?$/, (r) => this.cipher(r)],
      ['GET', /^\/api\/folders$/, (r) => { this.account(r); return views.list([]); }],
    ];
  }

  // request: { method, path, headers, body, note }. Never throws. What it
  // learns about the sender goes into request.note, for the log.
  answer(request) {
    try {
      for (const [method, pattern, handler] of this.routes) {
        const match = pattern.exec(request.path);
        if (!match || method !== request.method) continue;
        request.id = match[1];
        return reply(handler(request));
      }
      return reply(views.notFoundBody(), 404);
    } catch (e) {
      if (e instanceof HttpError) return errorReply(e.status, e.message);
      process.stderr.write(`vault-server: ${e.stack}\n`);
      return errorReply(500, 'internal error of the test server');
    }
  }

  // The account whose live access token came with the request.
  account(request) {
    const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? '');
    const claims = bearer && this.tokens.verify(bearer[1]);
    const account = claims && this.store.accounts.get(claims.sub);
    request.note.token = claims?.serial;
    if (!account || claims.sstamp !== account.stamp) {
      throw new HttpError(401, 'Invalid claim');
    }
    request.note.account = account.email;
    request.note.device = claims.device;
    return account;
  }

  token(request) {
    const form = new URLSearchParams(request.body.toString('utf8'));
    request.note.device = form.get('deviceIdentifier');
    request.note.grant = form.get('grant_type');
    if (form.get('grant_type') !== 'client_credentials') {
      throw new HttpError(400, 'Invalid type');
    }
    for (const field of ['client_id', 'client_secret', 'scope',
      'deviceIdentifier', 'deviceName', 'deviceType']) {
      if (!form.get(field)) throw new HttpError(400, `${field} cannot be blank`);
    }
    if (!this.limiter.allow()) {
      this.counters.limited++;
      throw new HttpError(429, 'Too many login requests');
    }
    try {
      return this.apiKeyLogin(form, request);
    } catch (e) {
      this.counters.refused++;
      throw e;
    }
  }

  apiKeyLogin(form, request) {
    if (form.get('scope') !== 'api') throw new HttpError(400, 'Scope not supported');
    const clientId = form.get('client_id');
    if (!clientId.startsWith('user.')) throw new HttpError(400, 'Malformed client_id');
    const account = this.store.accounts.get(clientId.slice(5));
    if (!account) throw new HttpError(400, 'Invalid client_id');
    request.note.account = account.email;
    if (account.revoked || form.get('client_secret') !== account.clientSecret) {
      throw new HttpError(400, 'Incorrect client_secret');
    }
    const device = form.get('deviceIdentifier');
    account.devices.set(device, (account.devices.get(device) ?? 0) + 1);
    this.counters.logins++;
    const token = this.tokens.issue(account, device, clientId, `${this.base}|login`,
      this.store.skew);
    request.note.token = this.tokens.issued;
    return views.token(account, token, this.tokens.lifetime);
  }

  prelogin(request) {
    let email;
    try {
      email = String(JSON.parse(request.body.toString('utf8')).email).toLowerCase();
    } catch {
      throw new HttpError(422, 'not a prelogin request');
    }
    const account = [...this.store.accounts.values()].find((a) => a.email === email);
    return views.kdf(account ?? { iterations: 600000 });
  }

  sync(request) {
    const account = this.account(request);
    this.counters.syncs++;
    return views.sync(this.store, account);
  }

  revisionDate(request) {
    this.account(request);
    this.counters.revisionDates++;
    return this.store.revision();
  }

  organization(request) {
    const found = views.organizations(this.store, this.account(request))
      .find((o) => o.id === request.id);
    if (!found) throw new HttpError(404, 'Organization not found');
    return found;
  }

  organizationCollections(request) {
    this.organization(request);
    return views.list(
      views.collections(this.store, this.account(request), request.id));
  }

  cipher(request) {
    const found = views.ciphers(this.store, this.account(request))
      .find((c) => c.id === request.id);
    if (!found) throw new HttpError(404, "Cipher doesn't exist");
    return found;
  }
}

module.exports = { Api, reply, errorReply };
