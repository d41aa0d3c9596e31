'use strict';
// The client-side cryptography of Bitwarden, from the side that writes: keys
// and "encrypted strings" exactly as a real client would have uploaded them.
//   type 2  2.IV|CIPHERTEXT|MAC   AES-256-CBC, HMAC-SHA256 over IV+ciphertext
//   type 4  4.CIPHERTEXT          RSA-2048, OAEP with SHA-1

const crypto = require('node:crypto');
const { promisify } = require('node:util');

const pbkdf2 = promisify(crypto.pbkdf2);
const generateKeyPair = promisify(crypto.generateKeyPair);

// A symmetric key is 64 bytes: 32 to encrypt, 32 to authenticate.
const newKey = () => crypto.randomBytes(64);

function encrypt(key, plain) {
  const iv = crypto.randomBytes(16);
  const cipher = crypto.createCipheriv('aes-256-cbc', key.subarray(0, 32), iv);
  const data = Buffer.concat([cipher.update(plain), cipher.final()]);
  const mac = crypto.createHmac('sha256', key.subarray(32))
    .update(iv).update(data).digest();
  return `2.${[iv, data, mac].map((b) => b.toString('base64')).join('|')}`;
}

// null and undefined stay null: Bitwarden leaves empty fields out.
const encryptText = (key, text) => (text === null || text === undefined
  ? null : encrypt(key, Buffer.from(String(text), 'utf8')));

function encryptRsa(publicKey, plain) {
  const data = crypto.publicEncrypt({
    key: publicKey,
    padding: crypto.constants.RSA_PKCS1_OAEP_PADDING,
    oaepHash: 'sha1',
  }, plain);
  return `4.${data.toString('base64')}`;
}

// HKDF-Expand with one block is all that 32 bytes need.
const expand = (prk, info) => crypto.createHmac('sha256', prk)
  .update(info).update(Buffer.from([1])).digest();

// The key that wraps the user key: PBKDF2 over password and e-mail, stretched.
async function stretchedMasterKey(email, password, iterations) {
  const salt = email.trim().toLowerCase();
  const master = await pbkdf2(password, salt, iterations, 32, 'sha256');
  return Buffer.concat([expand(master, 'enc'), expand(master, 'mac')]);
}

async function newRsaPair() {
  const { publicKey, privateKey } = await generateKeyPair('rsa',
    { modulusLength: 2048 });
  return {
    publicKey,
    publicDer: publicKey.export({ type: 'spki', format: 'der' }),
    privateDer: privateKey.export({ type: 'pkcs8', format: 'der' }),
  };
}

// A well-formed encrypted string whose MAC does not match.
function corrupt(encString) {
  const parts = encString.split('|');
  const mac = Buffer.from(parts[2], 'base64');
  mac[0] ^= 0xff;
  return [parts[0], parts[1], mac.toString('base64')].join('|');
}

module.exports = {
  newKey, encrypt, encryptText, encryptRsa, stretchedMasterKey, newRsaPair,
  corrupt,
};
