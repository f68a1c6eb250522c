// A real OpenID provider for tests: node oidc_provider.mjs MODULE PORT REDIRECT
// Whoever `login_hint` names logs in at once; GROUPS (JSON) says the groups of each name.
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const [module, port, redirect] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(module).href);
const groups = JSON.parse(process.env.GROUPS);
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  clients: [{
    client_id: 'headway', client_secret: 'a:secret/of the client', redirect_uris: [redirect],
    response_types: ['code'], grant_types: ['authorization_code'],
  }],
  pkce: { required: () => true },
  claims: { openid: ['sub'], profile: ['preferred_username', 'groups'], email: ['email', 'email_verified'] },
  conformIdTokenClaims: true,
  cookies: { keys: ['test'] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_ctx, one) => `/interaction/${one.uid}` },
  findAccount: (_ctx, id) => ({
    accountId: id,
    claims: () => ({
      sub: id, preferred_username: id, groups: groups[id] ?? [],
      email: `${id}@example.org`, email_verified: true,
    }),
  }),
});
const answer = provider.callback();
createServer(async (request, response) => {
  if (!request.url.startsWith('/interaction/')) return answer(request, response);
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    return provider.interactionFinished(request, response, { login: { accountId: params.login_hint } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope('openid profile email');
  return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
}).listen(Number(port), '127.0.0.1', () => console.log('ready'));
