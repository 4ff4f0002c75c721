// Gives the chosen users roles or hotels, or takes them: all of them or, where one cannot be changed, none.
import { useState } from 'react';
import { useAction } from '../api/useAction';
import { graphql } from '../generated';
import { HotelsField } from '../hotels/HotelsField';
import { ActionForm } from '../parts/ActionForm';
import { useNotice } from '../parts/Notice';
import { Cancel, Window } from '../parts/Window';
import { RolesField } from '../roles/RolesField';

const ASSIGN_ROLES = graphql(`
  mutation AssignRoles($input: AssignRolesInput!) {
    assignRoles(input: $input) {
      users {
        ...Access
      }
      errors {
        code
        message
        path
      }
    }
  }
`);

const UNASSIGN_ROLES = graphql(`
  mutation UnassignRoles($input: UnassignRolesInput!) {
    unassignRoles(input: $input) {
      users {
        ...Access
      }
      errors {
        code
        message
        path
      }
    }
  }
`);

const ASSIGN_HOTELS = graphql(`
  mutation AssignHotels($input: AssignHotelsInput!) {
    assignHotels(input: $input) {
      users {
        ...Access
      }
      errors {
        code
        message
        path
      }
    }
  }
`);

const UNASSIGN_HOTELS = graphql(`
  mutation UnassignHotels($input: UnassignHotelsInput!) {
    unassignHotels(input: $input) {
      users {
        ...Access
      }
      errors {
        code
        message
        path
      }
    }
  }
`);

/** As many as one mutation takes. */
const MOST = 1_000;

interface BulkAssignmentProps {
  users: { id: string }[];
  /** Chooses none; for users that were chosen in a list. */
  onDone?: () => void;
}

export function BulkAssignment({ users, onDone }: BulkAssignmentProps) {
  const people = told(Math.min(users.length, MOST));
  const actions = {
    'Give roles': useAction(ASSIGN_ROLES),
    'Take roles': useAction(UNASSIGN_ROLES),
    'Give hotels': useAction(ASSIGN_HOTELS),
    'Take hotels': useAction(UNASSIGN_HOTELS),
  };
  /** With the people as they were chosen: the list behind the window may change. */
  const [chosen, setChosen] = useState<{ title: keyof typeof actions; ids: string[] } | null>(null);
  const tell = useNotice();

  function open(title: keyof typeof actions) {
    setChosen({ title, ids: users.slice(0, MOST).map(({ id }) => id) });
  }
  function close() {
    if (chosen !== null) actions[chosen.title].clear();
    setChosen(null);
  }
  async function submit({ title, ids }: NonNullable<typeof chosen>, values: FormData) {
    const roles = values.getAll('roles').map(String);
    const hotels = values.getAll('hotels').map(String);
    const changed = title.endsWith('roles')
      ? await actions[title as 'Give roles' | 'Take roles'].run({ input: { users: ids, roles } })
      : await actions[title as 'Give hotels' | 'Take hotels'].run({ input: { users: ids, hotels } });
    if (changed === null) return;
    close();
    onDone?.();
    tell(`${title}: done for ${told(ids.length)}.`);
  }

  return (
    <div className="toolbar" role="toolbar" aria-label="Roles and hotels">
      {onDone !== undefined && (
        <span>
          {people} chosen
          {users.length > MOST && `, the first ${MOST.toLocaleString()} of ${users.length.toLocaleString()}`}
        </span>
      )}
      {Object.keys(actions).map((title) => (
        <button key={title} type="button" onClick={() => void open(title as keyof typeof actions)}>
          {title}…
        </button>
      ))}
      {onDone !== undefined && (
        <button type="button" onClick={onDone}>
          Choose none
        </button>
      )}
      {chosen !== null && (
        <Window title={`${chosen.title}: ${told(chosen.ids.length)}`} open busy={actions[chosen.title].outcome.running} onClose={close}>
          <ActionForm
            outcome={actions[chosen.title].outcome}
            submitLabel={chosen.title}
            onSubmit={(values) => void submit(chosen, values)}
            beside={<Cancel onClose={close} busy={actions[chosen.title].outcome.running} />}
          >
            {chosen.title.endsWith('roles') ? <RolesField name="roles" /> : <HotelsField label="Add a hotel" name="hotels" />}
          </ActionForm>
        </Window>
      )}
    </div>
  );
}

function told(count: number): string {
  return `${count.toLocaleString()} user${count === 1 ? '' : 's'}`;
}
