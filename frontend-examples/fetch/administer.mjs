// Takes on a night auditor, changes her, reads what the audit trail tells of it, and erases her again.
import { createClient, InputError } from './session.mjs';

const client = createClient(process.env.VOICEHIVE_URL ?? 'http://127.0.0.1:8000');
await client.signIn('admin@voicehive-hotels.eu', 'admin123');

/** Runs one mutation; throws an InputError with what a form should show at its fields. */
async function mutate(name, input, selection) {
  const type = `${name[0].toUpperCase()}${name.slice(1)}Input`;
  const document = `mutation($input: ${type}!) { ${name}(input: $input) { ${selection} errors { code message path } } }`;
  const payload = (await client.request(document, { input }))[name];
  if (payload.errors.length > 0) throw new InputError(payload.errors);
  return payload;
}

const { role } = await client.request('{ role(by: {name: "HOTEL_STAFF"}) { id } }');
const email = `night.auditor.${Date.now()}@hotel1.com`;
const { user, temporaryPassword } = await mutate(
  'createUser',
  { email, firstName: 'Nora', emailVerified: true, roles: [role.id], hotels: ['hotel:hotel-001'] },
  'user { id displayName } temporaryPassword',
);
console.log(`Added ${user.displayName}; her first password has ${temporaryPassword.length} characters`);

// Left out stays as it is, null clears.
const changed = await mutate('updateUser', { id: user.id, lastName: 'Berg' }, 'user { displayName }');
console.log(`Now ${changed.user.displayName}`);

try {
  await mutate('createUser', { email: 'nobody', password: 'short' }, 'user { id }');
} catch (error) {
  for (const { code, path } of error.errors) console.log(`Refused: ${code} at ${path.join('.')}`);
}

await mutate('deactivateUser', { id: user.id, reason: 'The season is over' }, 'user { active }');
const { auditEvents } = await client.request(
  'query($user: ID!) { auditEvents(filter: {subject: $user}) { nodes { type actor { ... on User { email } } detail } } }',
  { user: user.id },
);
for (const event of auditEvents.nodes) console.log(event.type, Object.keys(event.detail.changes).join(', '));

const { deletedId } = await mutate('deleteUser', { id: user.id }, 'deletedId');
console.log(`Erased ${deletedId === user.id}`);
await client.request('mutation { logout { revokedSessions } }');
