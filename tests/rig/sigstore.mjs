// Verifies Sigstore bundles with @sigstore/verify: node tests/rig/sigstore.mjs <CASES.json
//
// CASES.json is {"keys": ["<PEM>"], "bundles": ["<text of a bundle>"]}; the answer is a list of
// "ok" or of what is wrong, one for each bundle. Keys are found by the hint that a bundle must have.
import { createHash, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(join(here, '../../.rig/npm/package.json'));
const { bundleFromJSON } = require('@sigstore/bundle');
const { Verifier, toSignedEntity, toTrustMaterial } = require('@sigstore/verify');

const cases = JSON.parse(readFileSync(0, 'utf8'));
const keys = new Map();
for (const pem of cases.keys) {
  const publicKey = createPublicKey(pem);
  const der = publicKey.export({ format: 'der', type: 'spki' });
  keys.set(createHash('sha256').update(der).digest('base64'), publicKey);
}

function finder(hint) {
  const publicKey = keys.get(hint);
  if (publicKey === undefined) {
    throw new Error(`no trusted key has the hint ${JSON.stringify(hint)}`);
  }
  return { publicKey, validFor: () => true };
}

const nobody = { tlogs: [], ctlogs: [], certificateAuthorities: [], timestampAuthorities: [] };
const verifier = new Verifier(toTrustMaterial(nobody, finder), {
  ctlogThreshold: 0,
  tlogThreshold: 0,
  timestampThreshold: 0,
});

function verify(text) {
  try {
    const bundle = bundleFromJSON(JSON.parse(text));
    if (bundle.content.$case !== 'dsseEnvelope') {
      return 'no envelope';
    }
    verifier.verify(toSignedEntity(bundle));
    return 'ok';
  } catch (error) {
    return String(error.message || error);
  }
}

process.stdout.write(JSON.stringify(cases.bundles.map(verify)));
