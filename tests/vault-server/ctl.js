'use strict';
// Sends one control command and prints its data as JSON on one line.
// Usage: node ctl.js SOCKET COMMAND [JSON]

const http = require('node:http');

// Resolves with the command's data; rejects with its error.
function control(socketPath, command, args = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({
      socketPath, path: `/${command}`, method: 'POST', agent: false,
    }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const answer = JSON.parse(Buffer.concat(chunks).toString('utf8'));
        if (answer.ok) resolve(answer.data);
        else reject(new Error(answer.error));
      });
    });
    request.on('error', reject);
    request.end(JSON.stringify(args));
  });
}

module.exports = { control };

if (require.main === module) {
  const [socket, command, json = '{}'] = process.argv.slice(2);
  if (!command) {
    process.stderr.write('usage: node ctl.js SOCKET COMMAND [JSON]\n');
    process.exit(2);
  }
  Promise.resolve().then(() => control(socket, command, JSON.parse(json))).then(
    (data) => process.stdout.write(JSON.stringify(data) + '\n'),
    (e) => {
      process.stderr.write(`vault-server control: ${e.message}\n`);
      process.exitCode = 1;
    });
}
