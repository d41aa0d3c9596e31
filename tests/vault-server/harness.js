'use strict';
// What a node test of the server needs: TAP lines, and the server as a child.

const path = require('node:path');
const { spawn } = require('node:child_process');
const { control } = require('./ctl');

class Tap {
  constructor() { this.count = 0; this.failed = 0; }

  ok(isGood, name, details) {
    this.count++;
    if (!isGood) this.failed++;
    process.stdout.write(`${isGood ? 'ok' : 'not ok'} ${this.count} - ${name}\n`);
    if (!isGood && details !== undefined) this.note(details);
    return Boolean(isGood);
  }

  // Equal as JSON.
  same(got, expected, name) {
    const [g, e] = [JSON.stringify(got), JSON.stringify(expected)];
    return this.ok(g === e, name, { got, expected });
  }

  note(value) {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    process.stdout.write(text.slice(0, 2000).replace(/^/gm, '# ') + '\n');
  }

  end() {
    process.stdout.write(`1..${this.count}\n`);
    process.exitCode = this.failed === 0 ? 0 : 1;
  }
}

// Starts the server; returns { url, ca, pid, control(command, args), stop() }.
// It ends with this process, because its stdin does.
async function startServer(args) {
  const child = spawn(process.execPath,
    [path.join(__dirname, 'server.js'), ...args],
    { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
  const line = await new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      if (text.endsWith('\n')) resolve(text);
    });
    child.on('close', () => reject(new Error('the server did not start')));
  });
  const start = JSON.parse(line);
  return {
    ...start,
    control: (command, values) => control(start.control, command, values),
    stop() { child.stdin.end(); return ended; },
  };
}

module.exports = { Tap, startServer };
