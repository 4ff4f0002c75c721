// What the cache must be told: which types have no identity of their own, and which lists a mutation makes stale. Everything else
// follows from the ids in the answers.
import { cacheExchange, type Cache, type UpdateResolver } from '@urql/exchange-graphcache';

const PARTS_OF_ANOTHER = [
  'PageInfo',
  'UserConnection',
  'RoleConnection',
  'HotelConnection',
  'SessionConnection',
  'AuditEventConnection',
  'ApiKeyConnection',
  'MutationError',
];

/** Asks again for each list of these names that the cache holds, wherever it hangs. */
function stale(...lists: string[]): UpdateResolver {
  return (_payload, _arguments, cache) => {
    for (const list of lists) forget(cache, 'Query', list);
  };
}

function forget(cache: Cache, entity: string, name: string): void {
  for (const { fieldName, arguments: given } of cache.inspectFields(entity)) {
    if (fieldName === name) cache.invalidate(entity, fieldName, given);
  }
}

/** For what changes a user's lists: those hang at the user named in the input. */
function staleOfUser(key: 'id' | 'user', ...lists: string[]): UpdateResolver {
  return (_payload, given, cache) => {
    const id = (given.input as Record<string, string>)[key];
    const user = id === undefined ? null : cache.keyOfEntity({ __typename: 'User', id });
    for (const list of lists) {
      if (user !== null) forget(cache, user, list);
      forget(cache, 'Query', list);
    }
  };
}

export function cache() {
  return cacheExchange({
    keys: {
      ...Object.fromEntries(PARTS_OF_ANOTHER.map((name) => [name, () => null])),
      PermissionDescription: ({ name }) => name as string,
    },
    updates: {
      Mutation: {
        createUser: stale('users'),
        deleteUser: stale('users'),
        assignHotels: stale('users', 'auditEvents'),
        unassignHotels: stale('users', 'auditEvents'),
        assignRoles: stale('users', 'auditEvents'),
        unassignRoles: stale('users', 'auditEvents'),
        updateUser: stale('auditEvents'),
        unlockUser: stale('auditEvents'),
        reactivateUser: stale('auditEvents'),
        deactivateUser: staleOfUser('id', 'sessions', 'auditEvents'),
        resetUserPassword: staleOfUser('id', 'sessions', 'auditEvents'),
        revokeUserSessions: staleOfUser('user', 'sessions', 'auditEvents'),
        revokeSession: stale('auditEvents'),
        changePassword: stale('sessions', 'auditEvents'),
        createRole: stale('roles'),
        deleteRole: stale('roles'),
        createHotel: stale('hotels'),
        createApiKey: stale('apiKeys'),
      },
    },
  });
}
