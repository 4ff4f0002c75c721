// The explorer: signs in, runs documents, shows the schema. Tokens are kept in memory and go with the page.
'use strict';

const examples = {
  'Who am I': ['{\n  me {\n    displayName\n    roles { name }\n    permissions\n    hotels { nodes { name } }\n  }\n  currentSession { status expiresAt ipAddress }\n}', ''],
  'Page of users': ['query Users($first: Int!, $after: String) {\n  users(first: $first, after: $after, orderBy: {field: EMAIL}) {\n    totalCount\n    nodes {\n      id\n      email\n      active\n      roles { name }\n      hotels(first: 5) { nodes { name } }\n    }\n    pageInfo { hasNextPage endCursor }\n  }\n}', '{"first": 10}'],
  'Which hotels': ['query Hotels($email: String!) {\n  user(by: {email: $email}) {\n    displayName\n    hotelScope\n    hotels { nodes { pmsHotelId name } }\n  }\n}', '{"email": "manager@hotel1.com"}'],
  'Sessions': ['{\n  sessions(first: 20, filter: {status: ACTIVE}) {\n    nodes { id user { email } current userAgent lastUsedAt }\n  }\n}', ''],
};

const byId = (id) => document.getElementById(id);
let tokens = null;

async function send(query, variables, operationToken) {
  const headers = { 'Content-Type': 'application/json', Accept: 'application/graphql-response+json' };
  if (operationToken) headers.Authorization = `Bearer ${operationToken}`;
  const response = await fetch('/graphql', { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
  return { body: await response.json(), statements: response.headers.get('x-sql-statements'), status: response.status };
}

const unauthenticated = (answer) => (answer.body.errors ?? []).some((error) => error.extensions?.code === 'UNAUTHENTICATED');

async function ask(query, variables) {
  let answer = await send(query, variables, tokens?.accessToken);
  if (tokens && unauthenticated(answer) && (await refresh())) answer = await send(query, variables, tokens.accessToken);
  return answer;
}

async function refresh() {
  const document = 'mutation($input: RefreshInput!) { refresh(input: $input) { tokens { accessToken refreshToken } } }';
  const { body } = await send(document, { input: { refreshToken: tokens.refreshToken } });
  show(body.data?.refresh?.tokens ?? null, byId('who').textContent);
  if (!tokens) notice('Your session has ended: sign in again.');
  return tokens !== null;
}

function show(newTokens, name) {
  tokens = newTokens;
  byId('sign-in').hidden = tokens !== null;
  byId('signed-in').hidden = tokens === null;
  byId('who').textContent = tokens ? name : '';
}

function notice(text) { byId('notice').textContent = text; }

async function signIn(event) {
  event.preventDefault();
  notice('');
  const document = 'mutation($input: LoginInput!) { login(input: $input) { tokens { accessToken refreshToken } user { displayName mustChangePassword } errors { message } } }';
  try {
    const { body } = await send(document, { input: { email: byId('email').value, password: byId('password').value } });
    const login = body.data?.login;
    if (!login?.tokens) return notice(login?.errors?.[0]?.message ?? body.errors?.[0]?.message ?? 'Sign-in failed.');
    byId('password').value = '';
    show(login.tokens, login.user.displayName);
    if (login.user.mustChangePassword) notice('This account still has its first password: change it with changePassword.');
  } catch { notice('The server does not answer.'); }
}

async function signOut() {
  try { await ask('mutation { logout { revokedSessions } }'); } catch { /* gone either way */ }
  show(null, '');
}

async function run() {
  notice('');
  let variables;
  try { variables = JSON.parse(byId('variables').value || '{}'); } catch (error) { return notice(`Variables: ${error.message}`); }
  const began = performance.now();
  try {
    const { body, statements, status } = await ask(byId('query').value, variables);
    byId('answer').textContent = JSON.stringify(body, null, 2);
    const took = Math.round(performance.now() - began);
    byId('figures').textContent = `${status} · ${took} ms${statements ? ` · ${statements} SQL statements` : ''}`;
  } catch { notice('The server does not answer.'); }
}

const typeName = (type) => type.kind === 'NON_NULL' ? `${typeName(type.ofType)}!` : type.kind === 'LIST' ? `[${typeName(type.ofType)}]` : type.name;

async function loadSchema() {
  const nested = 'kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } }';
  const document = `{ __schema { types { kind name description
    fields { name description args { name type { ${nested} } } type { ${nested} } }
    inputFields { name description type { ${nested} } } enumValues { name description } } } }`;
  const { body } = await send(document, {});
  const types = body.data?.__schema?.types;
  if (!types) return void (byId('schema').textContent = 'The server does not tell its schema (graphql.introspection is off).');
  const order = ['Query', 'Mutation'];
  const rank = (type) => order.includes(type.name) ? order.indexOf(type.name) : order.length;
  types.filter((type) => !type.name.startsWith('__') && type.kind !== 'SCALAR')
    .sort((one, other) => rank(one) - rank(other) || one.name.localeCompare(other.name))
    .forEach((type) => byId('schema').append(describe(type)));
}

function element(tag, text) { const made = document.createElement(tag); made.textContent = text ?? ''; return made; }

function describe(type) {
  const details = document.createElement('details');
  details.append(element('summary', type.name), element('dd', type.description));
  const list = document.createElement('dl');
  for (const field of [...(type.fields ?? []), ...(type.inputFields ?? []), ...(type.enumValues ?? [])]) {
    const args = field.args?.length ? `(${field.args.map((arg) => `${arg.name}: ${typeName(arg.type)}`).join(', ')})` : '';
    list.append(element('dt', `${field.name}${args}${field.type ? `: ${typeName(field.type)}` : ''}`));
    if (field.description) list.append(element('dd', field.description));
  }
  details.append(list);
  return details;
}

function find() {
  const wanted = byId('find').value.trim().toLowerCase();
  for (const details of byId('schema').children) {
    details.hidden = wanted !== '' && !details.textContent.toLowerCase().includes(wanted);
    details.open = wanted.length > 2 && !details.hidden;
  }
}

for (const [name, [query, variables]] of Object.entries(examples)) {
  const button = element('button', name);
  button.type = 'button';
  button.addEventListener('click', () => { byId('query').value = query; byId('variables').value = variables; });
  byId('examples').append(button);
}
byId('examples').firstElementChild.click();
byId('sign-in').addEventListener('submit', signIn);
byId('sign-out').addEventListener('click', signOut);
byId('run').addEventListener('click', run);
byId('find').addEventListener('input', find);
document.addEventListener('keydown', (event) => { if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) run(); });
loadSchema().catch(() => notice('The server does not answer.'));
