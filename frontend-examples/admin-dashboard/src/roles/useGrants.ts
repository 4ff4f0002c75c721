// What roles grant, changed tick by tick. The service takes a role's permissions whole: one change of a role is on its way at a time,
// and the next holds all that was ticked meanwhile. Until it has been answered, the page shows what was ticked.
import { useRef, useState } from 'react';
import { useClient, type Client } from 'urql';
import { messageOf } from '../api/errors';
import type { MatrixRoleFragment } from '../generated/graphql';
import { useNotice } from '../parts/Notice';
import { MATRIX, UPDATE_ROLE } from './documents';

export function useGrants() {
  const client = useClient();
  const tell = useNotice();
  /** By the role's id: what was ticked and is not answered yet, to be shown. */
  const [ticked, setTicked] = useState<ReadonlyMap<string, string[]>>(new Map());
  const [refused, setRefused] = useState<ReadonlyMap<string, string>>(new Map());
  /** The same, at once: two ticks can come before the page is drawn again. */
  const wanted = useRef(new Map<string, string[]>());

  async function change(role: MatrixRoleFragment, permission: string, granted: boolean) {
    const running = wanted.current.get(role.id);
    const others = (running ?? held(client, role)).filter((one) => one !== permission);
    const next = granted ? [...others, permission] : others;
    wanted.current.set(role.id, next);
    setTicked((before) => new Map(before).set(role.id, next));
    setRefused((before) => without(before, role.id));
    if (running !== undefined) return;

    const refusal = await send(client, role.id, wanted.current);
    wanted.current.delete(role.id);
    setTicked((before) => without(before, role.id));
    if (refusal === null) tell(`What ${role.displayName} grants has been changed.`);
    else setRefused((before) => new Map(before).set(role.id, `${role.displayName}: ${refusal}`));
  }

  return {
    of: (role: MatrixRoleFragment) => ticked.get(role.id) ?? role.permissions,
    change,
    refusals: [...refused.values()],
  };
}

/** Sends what is wanted of a role until nothing else is. Why it was refused; null where it was not. */
async function send(client: Client, id: string, wanted: Map<string, string[]>): Promise<string | null> {
  for (;;) {
    const permissions = wanted.get(id) ?? [];
    const { data, error } = await client.mutation(UPDATE_ROLE, { input: { id, permissions } });
    if (error !== undefined) return messageOf(error);
    if (data === undefined) return 'The service did not answer.';
    const { errors } = data.updateRole;
    if (errors.length > 0) return errors.map(({ message }) => message).join(' ');
    if (wanted.get(id) === permissions) return null;
  }
}

/** What the role grants by the last answer, which the page may not have drawn yet. */
function held(client: Client, role: MatrixRoleFragment): string[] {
  const answer = client.readQuery(MATRIX, {}, { requestPolicy: 'cache-only' });
  return answer?.data?.roles.nodes.find(({ id }) => id === role.id)?.permissions ?? role.permissions;
}

function without<Value>(map: ReadonlyMap<string, Value>, key: string): ReadonlyMap<string, Value> {
  const rest = new Map(map);
  rest.delete(key);
  return rest;
}
