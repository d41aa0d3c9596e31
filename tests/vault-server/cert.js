'use strict';
// A throw-away certificate authority and one server certificate for the
// loopback names, made in memory with node's own crypto: the tests need no
// openssl program. Just enough DER for two X.509 v3 certificates.

const crypto = require('node:crypto');

const OID = {
  commonName: '2.5.4.3',
  ecdsaSha256: '1.2.840.10045.4.3.2',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extKeyUsage: '2.5.29.37',
  subjectAltName: '2.5.29.17',
  serverAuth: '1.3.6.1.5.5.7.3.1',
};

function der(tag, ...parts) {
  const body = Buffer.concat(parts);
  const n = body.length;
  let head;
  if (n < 0x80) head = [tag, n];
  else if (n < 0x100) head = [tag, 0x81, n];
  else head = [tag, 0x82, n >> 8, n & 0xff];
  return Buffer.concat([Buffer.from(head), body]);
}

const sequence = (...parts) => der(0x30, ...parts);
const octets = (bytes) => der(0x04, bytes);
const bits = (bytes, unused = 0) => der(0x03, Buffer.from([unused]), bytes);
const TRUE = der(0x01, Buffer.from([0xff]));

function oid(text) {
  const [a, b, ...rest] = text.split('.').map(Number);
  const out = [a * 40 + b];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let v = arc >>> 7; v > 0; v >>>= 7) groups.unshift(0x80 | (v & 0x7f));
    out.push(...groups);
  }
  return der(0x06, Buffer.from(out));
}

// UTCTime ends in 2049; a certificate of a few days is far from that.
function time(ms) {
  const s = new Date(ms).toISOString().replace(/[-:T]/g, '').slice(2, 14);
  return der(0x17, Buffer.from(s + 'Z'));
}

const name = (cn) => sequence(der(0x31,
  sequence(oid(OID.commonName), der(0x0c, Buffer.from(cn)))));

const extension = (id, critical, value) => (critical
  ? sequence(oid(id), TRUE, octets(value))
  : sequence(oid(id), octets(value)));

function certificate({ subject, issuer, publicKey, signKey, extensions }) {
  const serial = crypto.randomBytes(16);
  serial[0] = (serial[0] & 0x7f) | 0x40; // positive, full length
  const now = Date.now();
  const algorithm = sequence(oid(OID.ecdsaSha256));
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial), algorithm, name(issuer),
    sequence(time(now - 86400e3), time(now + 30 * 86400e3)),
    name(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  );
  const signature = crypto.sign('sha256', body, signKey);
  const base64 = sequence(body, algorithm, bits(signature)).toString('base64');
  return '-----BEGIN CERTIFICATE-----\n' +
    base64.match(/.{1,64}/g).join('\n') + '\n-----END CERTIFICATE-----\n';
}

// Returns { ca, cert, key }, all PEM. The CA's private key is forgotten here.
function makeCertificates() {
  const pair = () => crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ca = pair();
  const server = pair();
  const caName = 'colibri throw-away test CA';
  const caPem = certificate({
    subject: caName, issuer: caName,
    publicKey: ca.publicKey, signKey: ca.privateKey,
    extensions: [
      extension(OID.basicConstraints, true, sequence(TRUE)),
      extension(OID.keyUsage, true, bits(Buffer.from([0x06]), 1)),
    ],
  });
  const dns = der(0x82, Buffer.from('localhost'));
  const ip4 = der(0x87, Buffer.from([127, 0, 0, 1]));
  const certPem = certificate({
    subject: 'localhost', issuer: caName,
    publicKey: server.publicKey, signKey: ca.privateKey,
    extensions: [
      extension(OID.basicConstraints, true, sequence()),
      extension(OID.keyUsage, true, bits(Buffer.from([0x80]), 7)),
      extension(OID.extKeyUsage, false, sequence(oid(OID.serverAuth))),
      extension(OID.subjectAltName, false, sequence(dns, ip4)),
    ],
  });
  return {
    ca: caPem,
    cert: certPem,
    key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }),
  };
}

module.exports = { makeCertificates };
