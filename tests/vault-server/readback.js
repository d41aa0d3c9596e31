'use strict';
// The collection whose every value is read back by others, and the reading.
//
//	node readback.js seed > SEED          the seed of tests/e2e/vault_real_test.sh
//	node readback.js check ENVFILE [DOTENV]   TAP-less: one line a difference, exit 1
//
// sh is the measure for every value; DOTENV (a directory with npm's dotenv) for
// those that its format can say.

const fs = require('node:fs');
const { execFileSync } = require('node:child_process');

const PEM = [
  '-----BEGIN TEST KEY-----',
  'MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj',
  'MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu',
  '+/==',
  '-----END TEST KEY-----', ''].join('\n');

// As passwords of login items.
const LOGINS = {
  PLAIN: 'simple-value_1.2:3/4',
  SPACES: '  two  inside, and at both ends  ',
  DOUBLE: 'say "hello" twice',
  SINGLE: "it's 'quoted'",
  DOLLAR: '$HOME ${PATH} $(id) `id` $$',
  BACKSLASH: 'C:\\new\\table \\\\ end',
  TRAILING_BACKSLASH: 'end\\',
  UNICODE: 'åß語 🐦 e\u0301 \u00a0\u200b',
  HASH: 'a # not a comment; = & | < > * ? ~ !',
  LINES: 'one\ntwo\n\n\tthree\n',
  CRLF: 'one\r\ntwo',
  CONTROL: 'bell\u0007 esc\u001b tab\t',
  JSON: '{"a":["b\\n",null]}',
  LONG: 'x'.repeat(5000),
  _underscore: 'lower',
  key: 'small',
  KEY: 'BIG',
};
// As lines of a secure note, in three ways to write them.
const NOTED = {
  PEM_KEY: PEM,
  NOTE_BARE: 'bare value = with equals',
  NOTE_DOUBLE: 'a "quoted" $value \\ back',
};
const NOTE = [
  '# a comment, then a blank line', '',
  `PEM_KEY="${PEM}"`,
  'export NOTE_BARE=bare value = with equals   ',
  'NOTE_DOUBLE="a \\"quoted\\" \\$value \\\\ back"', ''].join('\n');

const EXPECTED = { ...LOGINS, ...NOTED };

function seed() {
  const items = Object.entries(LOGINS).map(([name, password], i) => ({
    name, password, username: 'nobody', ...(i % 2 === 1 && { itemKey: false }),
  }));
  const one = (name, password) => ({ name, items: [{ name: 'WHOSE', password }] });
  return {
    iterations: 5000,
    accounts: [{
      email: 'boot@example.test', clientSecret: 'canary-api-secret-93b1',
      password: 'canary master "password" $ \\ ünï 5d2e',
    }],
    organizations: [
      { name: 'Tenants', collections: [
        { name: 'proof0', items: [
          ...items, { name: 'the keys', type: 'note', notes: NOTE },
          { name: 'a card', type: 'card' },
          { name: 'TRASHED', password: 'never', trashed: true },
          { name: 'ARCHIVED', password: 'never', archived: true },
        ] },
        // Names that a search by substring or without case would mix up.
        one('a', 'a'), one('ab', 'ab'), one('A', 'A'), one('a-b', 'a-b'),
        one('both', 'first'),
        { name: 'empty', items: [{ name: 'GONE', password: 'x', trashed: true }] },
        { name: 'twice', items: [{ name: 'SAME', password: 'x' }, { name: 'SAME', password: 'y' }] },
        { name: 'badkey', items: [{ name: 'not a name', password: 'x' }] },
        { name: 'badnote', items: [{ name: 'n', type: 'note', notes: 'no assignment here' }] },
        { name: 'hidden', items: [{ name: 'WHOSE', password: 'x' }],
          access: { 'boot@example.test': { hidePasswords: true } } },
      ] },
      { name: 'Others', collections: [one('both', 'second')] },
    ],
    items: [{ name: 'WHOSE', password: 'personal' }, { name: 'PLAIN', password: 'personal' }],
  };
}

// What sh has in its variables after `. FILE`.
function bySh(file, names) {
  const script = '. "$0"; for name do eval "printf \'%s\\0\' \\"\\$$name\\""; done';
  const out = execFileSync('/bin/sh', ['-c', script, file, ...names], { env: { PATH: '/usr/bin:/bin' } });
  const values = out.toString('utf8').split('\0');
  return Object.fromEntries(names.map((name, i) => [name, values[i]]));
}

// dotenv knows no way to write a single quote beside other characters that need
// quotes, ends a value at the quote behind a backslash, and turns CR LF into LF.
const dotenvCan = (value) => !value.includes("'") && !value.endsWith('\\') && !value.includes('\r');

function check(file, dotenv) {
  const names = Object.keys(EXPECTED);
  const wrong = [];
  const found = fs.readFileSync(file, 'utf8').match(/^[A-Za-z_]\w*(?==)/gm) ?? [];
  // Lines of a value that spans several may look like keys; ours do not.
  if (found.sort().join() !== [...names].sort().join()) wrong.push(`keys: ${found}`);
  const sh = bySh(file, names);
  for (const name of names) if (sh[name] !== EXPECTED[name]) wrong.push(`sh: ${name}`);
  let portable = 0;
  if (dotenv) {
    const parsed = require(dotenv).parse(fs.readFileSync(file));
    for (const name of names) {
      if (!dotenvCan(EXPECTED[name])) continue;
      portable++;
      if (parsed[name] !== EXPECTED[name]) wrong.push(`dotenv: ${name}`);
    }
    if (portable < 15) wrong.push(`dotenv: only ${portable} values`);
  }
  for (const line of wrong) process.stdout.write(line + '\n');
  process.exitCode = wrong.length === 0 ? 0 : 1;
}

const [what, file, dotenv] = process.argv.slice(2);
if (what === 'seed') process.stdout.write(JSON.stringify(seed(), null, 1) + '\n');
else if (what === 'check') check(file, dotenv);
else process.exitCode = 2;
