// A real OpenID provider for tests: node tests/rig/oidc.mjs PORT KEYS.json
//
// KEYS.json is a JWK set with private keys; tokens are signed with the first one. The client
// `builder` (secret `builder-secret`) may ask for tokens for every https://guard.example.com/…
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const library = join(here, '../../.rig/npm/node_modules/oidc-provider/lib/index.js');
const { default: Provider, errors } = await import(pathToFileURL(library).href);

const [port, keys] = process.argv.slice(2);
const jwks = JSON.parse(readFileSync(keys, 'utf8'));
const issuer = `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
  jwks,
  clients: [
    {
      client_id: 'builder',
      client_secret: 'builder-secret',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: jwks.keys[0].alg,
    },
  ],
  scopes: ['mcp', 'tools'],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    dPoP: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      getResourceServerInfo(ctx, resource) {
        if (!resource.startsWith('https://guard.example.com/')) {
          throw new errors.InvalidTarget();
        }
        return {
          scope: 'mcp tools',
          audience: resource,
          accessTokenTTL: 120,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: jwks.keys[0].alg } },
        };
      },
    },
  },
});

provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
