// A client of VoiceHive Identity on plain fetch: it keeps its tokens and refreshes them when they have expired.

/** Something the person at the screen can put right: `errors` are the payload's, each with code, message and path. */
export class InputError extends Error {
  constructor(errors) {
    super(errors.map((error) => error.message).join(' '));
    this.errors = errors;
  }
}

/** Something only a developer or an operator can put right; `code` is the contract's. */
export class ServiceError extends Error {
  constructor(error, requestId) {
    super(`${error.message} (request ${requestId})`);
    this.code = error.extensions?.code;
  }
}

export function createClient(url) {
  let tokens = null;
  let refreshing = null;

  async function post(query, variables, token) {
    const headers = { 'Content-Type': 'application/json', Accept: 'application/graphql-response+json' };
    if (token) headers.Authorization = `Bearer ${token}`;
    const response = await fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
    const { data, errors, extensions } = await response.json();
    if (errors) throw new ServiceError(errors[0], extensions?.requestId);
    return data;
  }

  async function refresh() {
    const query = `mutation($input: RefreshInput!) { refresh(input: $input) {
      tokens { accessToken refreshToken } errors { code message path } } }`;
    const { refresh: answer } = await post(query, { input: { refreshToken: tokens.refreshToken } });
    tokens = answer.tokens;
    if (!tokens) throw new InputError(answer.errors);
  }

  return {
    async signIn(email, password) {
      const query = `mutation($input: LoginInput!) { login(input: $input) {
        tokens { accessToken refreshToken } user { displayName } errors { code message path } } }`;
      const { login } = await post(query, { input: { email, password } });
      if (login.errors.length > 0) throw new InputError(login.errors);
      tokens = login.tokens;
      return login.user;
    },

    async request(query, variables = {}) {
      try {
        return await post(query, variables, tokens?.accessToken);
      } catch (error) {
        if (error.code !== 'UNAUTHENTICATED' || !tokens) throw error;
        // Requests that fail together wait for one refresh: a refresh token is good once.
        refreshing ??= refresh().finally(() => { refreshing = null; });
        await refreshing;
        return post(query, variables, tokens.accessToken);
      }
    },
  };
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const client = createClient(process.env.VOICEHIVE_URL ?? 'http://127.0.0.1:8000');
  const user = await client.signIn('admin@voicehive-hotels.eu', 'admin123');
  console.log(`Signed in: ${user.displayName}`);
  let after = null;
  do {
    const { users } = await client.request(
      'query($after: String) { users(first: 2, after: $after) { nodes { email roles { name } } pageInfo { hasNextPage endCursor } } }',
      { after },
    );
    for (const { email, roles } of users.nodes) console.log(email, roles.map((role) => role.name).join(', '));
    after = users.pageInfo.hasNextPage ? users.pageInfo.endCursor : null;
  } while (after);
  const { logout } = await client.request('mutation { logout { revokedSessions } }');
  console.log(`Signed out of ${logout.revokedSessions} session`);
}
