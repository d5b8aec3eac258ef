// A real OpenID provider at which people log in: node tests/rig/openid.mjs PORT KEYS.json BACK
//
// Any name and password will do: the name is the account, `preferred_username` and `name` follow
// from it. BACK is the redirect URI of the client `remit` (secret `remit-secret`). Claims of the
// user are given by the userinfo endpoint, as OpenID Connect Core §5.4 has it.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const library = join(here, '../../.rig/npm/node_modules/oidc-provider/lib/index.js');
const { default: Provider } = await import(pathToFileURL(library).href);

const [port, keys, back] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
  jwks: JSON.parse(readFileSync(keys, 'utf8')),
  clients: [
    {
      client_id: 'remit',
      client_secret: 'remit-secret',
      application_type: 'native',
      grant_types: ['authorization_code'],
      response_types: ['code'],
      redirect_uris: [back],
    },
  ],
  claims: { openid: ['sub'], profile: ['preferred_username', 'name'], email: ['email', 'email_verified'] },
  pkce: { required: () => true },
  findAccount: async (ctx, id) => ({
    accountId: id,
    claims: async () => ({
      sub: id,
      preferred_username: id,
      name: `${id[0].toUpperCase()}${id.slice(1)} Lee`,
      email: `${id}@example.com`,
      email_verified: false,
    }),
  }),
  cookies: { keys: ['only for tests'] },
});

provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
