'use strict';
// The JSON of a Vaultwarden server, made from the store for one account.

const date = (ms) => new Date(ms).toISOString().replace(/(\d{3})Z$/, '$1000Z');
const list = (data) => ({ data, object: 'list', continuationToken: null });

// Vaultwarden's error body; the client shows one of the two messages.
const errorBody = (message) => ({
  error: '', error_description: '', exceptionMessage: null,
  exceptionStackTrace: null, innerExceptionMessage: null, message,
  errorModel: { message, object: 'error' },
  validationErrors: { '': [message] }, object: 'error',
});

const notFoundBody = () => ({
  error: {
    code: 404, reason: 'Not Found',
    description: 'The requested resource could not be found.',
  },
});

const kdf = (account) => ({
  kdf: 0, kdfIterations: account.iterations, kdfMemory: null, kdfParallelism: null,
});

const accountKeys = (account) => ({
  publicKeyEncryptionKeyPair: {
    wrappedPrivateKey: account.wrappedPrivateKey,
    publicKey: account.rsa.publicDer.toString('base64'),
    signedPublicKey: null,
    object: 'publicKeyEncryptionKeyPair',
  },
  signatureKeyPair: null,
  securityState: null,
  object: 'privateKeys',
});

const masterPasswordUnlock = (account) => ({
  kdf: {
    kdfType: 0, iterations: account.iterations, memory: null, parallelism: null,
  },
  masterKeyEncryptedUserKey: account.wrappedUserKey,
  masterKeyWrappedUserKey: account.wrappedUserKey,
  salt: account.email,
});

const token = (account, accessToken, lifetime) => ({
  access_token: accessToken,
  expires_in: lifetime,
  token_type: 'Bearer',
  Key: account.wrappedUserKey,
  PrivateKey: account.wrappedPrivateKey,
  Kdf: 0,
  KdfIterations: account.iterations,
  KdfMemory: null,
  KdfParallelism: null,
  ResetMasterPassword: false,
  ForcePasswordReset: false,
  scope: 'api',
  AccountKeys: accountKeys(account),
  UserDecryptionOptions: {
    HasMasterPassword: true,
    MasterPasswordUnlock: masterPasswordUnlock(account),
    Object: 'userDecryptionOptions',
  },
});

function config(base) {
  return {
    version: '2025.12.0',
    gitHash: 'test',
    server: { name: 'Vaultwarden', url: 'https://github.com/dani-garcia/vaultwarden' },
    settings: { disableUserRegistration: true },
    environment: {
      vault: base, api: `${base}/api`, identity: `${base}/identity`,
      notifications: `${base}/notifications`, sso: '', cloudRegion: null,
    },
    push: { pushTechnology: 0, vapidPublicKey: null },
    featureStates: {},
    object: 'config',
  };
}

function organization(store, account, org) {
  const member = org.members.find((m) => m.email === account.email);
  return {
    id: org.id, name: org.name, userId: account.id,
    organizationUserId: org.id, identifier: null,
    key: store.organizationKeyFor(account, org),
    status: 2, type: member.role, enabled: true,
    seats: null, maxCollections: null, maxStorageGb: 32767,
    usersGetPremium: true, use2fa: true, useApi: true, useEvents: false,
    useTotp: true, useGroups: false, usePolicies: true, useDirectory: false,
    useSso: false, useScim: false, useKeyConnector: false,
    useResetPassword: false, useCustomPermissions: true,
    useSecretsManager: false, usePasswordManager: true, useMyItems: false,
    useActivateAutofillPolicy: false, useAdminSponsoredFamilies: false,
    useOrganizationDomains: false, useRiskInsights: false,
    selfHost: true, hasPublicAndPrivateKeys: true, resetPasswordEnrolled: false,
    ssoBound: false, keyConnectorEnabled: false, keyConnectorUrl: null,
    providerId: null, providerName: null, providerType: null,
    productTierType: 3, familySponsorshipAvailable: false,
    familySponsorshipFriendlyName: null, accessSecretsManager: false,
    limitCollectionCreation: true, limitCollectionDeletion: true,
    limitItemDeletion: false, allowAdminAccessToAllCollectionItems: true,
    userIsManagedByOrganization: false, userIsClaimedByOrganization: false,
    permissions: {}, object: 'profileOrganization',
  };
}

function organizations(store, account) {
  return [...store.organizations.values()]
    .filter((org) => org.members.some((m) => m.email === account.email))
    .map((org) => organization(store, account, org));
}

const profile = (store, account) => ({
  _status: 0, id: account.id, name: account.name, email: account.email,
  emailVerified: true, premium: true, premiumFromOrganization: false,
  culture: 'en-US', twoFactorEnabled: false,
  key: account.wrappedUserKey, privateKey: account.wrappedPrivateKey,
  accountKeys: accountKeys(account), securityStamp: account.stamp,
  organizations: organizations(store, account),
  providers: [], providerOrganizations: [], forcePasswordReset: false,
  avatarColor: null, usesKeyConnector: false, verifyDevices: true,
  creationDate: '2024-01-01T00:00:00.000000Z', object: 'profile',
});

const collections = (store, account, orgId) => store.grants(account)
  .filter((g) => orgId === undefined || g.collection.org.id === orgId)
  .map((g) => ({
    id: g.collection.id, organizationId: g.collection.org.id,
    name: g.collection.encName, externalId: null, type: 0,
    readOnly: g.readOnly, hidePasswords: g.hidePasswords, manage: g.manage,
    object: 'collectionDetails',
  }));

// One item. Like Vaultwarden, hidden passwords are sent; the client hides them.
function cipher(store, entry, visible) {
  const { item } = entry;
  const enc = store.encrypted(entry);
  const grants = visible.filter((g) => entry.collections.has(g.collection));
  const personal = entry.org === null;
  const editable = personal || grants.some((g) => !g.readOnly);
  const when = date(entry.created);
  return {
    id: item.id, type: item.type, organizationId: entry.org?.id ?? null,
    folderId: null, favorite: false, reprompt: item.reprompt ? 1 : 0,
    edit: editable, viewPassword: personal || grants.some((g) => !g.hidePasswords),
    permissions: { delete: editable, restore: editable },
    organizationUseTotp: true, collectionIds: grants.map((g) => g.collection.id),
    key: enc.key, name: enc.name, notes: enc.notes, fields: enc.fields,
    login: item.type === 1 ? {
      username: enc.username, password: enc.password, totp: enc.totp,
      uri: enc.uris[0]?.uri ?? null,
      uris: enc.uris.map((u) => ({ uri: u.uri, uriChecksum: u.checksum, match: null })),
      passwordRevisionDate: null, autofillOnPageLoad: null, fido2Credentials: null,
    } : null,
    secureNote: item.type === 2 ? { type: 0 } : null,
    card: item.type === 3 ? {} : null,
    identity: item.type === 4 ? {} : null,
    sshKey: null, attachments: null, passwordHistory: null,
    creationDate: when, revisionDate: when,
    deletedDate: item.trashed ? when : null,
    archivedDate: item.archived ? when : null,
    object: 'cipherDetails',
  };
}

function ciphers(store, account) {
  const visible = store.grants(account);
  const granted = new Set(visible.map((g) => g.collection));
  return [...store.items.values()]
    .filter((e) => e.account === account ||
      [...e.collections].some((c) => granted.has(c)))
    .map((e) => cipher(store, e, visible));
}

const sync = (store, account) => ({
  profile: profile(store, account),
  folders: [],
  collections: collections(store, account),
  policies: [],
  ciphers: ciphers(store, account),
  domains: {
    equivalentDomains: [], globalEquivalentDomains: [], object: 'domains',
  },
  sends: [],
  userDecryption: { masterPasswordUnlock: masterPasswordUnlock(account) },
  object: 'sync',
});

module.exports = {
  list, errorBody, notFoundBody, kdf, token, config, organizations, profile,
  collections, ciphers, sync,
};
