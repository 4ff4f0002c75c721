// Adds a role, changes or deletes one.
import { useAction } from '../api/useAction';
import { graphql } from '../generated';
import type { MatrixRoleFragment } from '../generated/graphql';
import { ActionForm } from '../parts/ActionForm';
import { ConfirmButton } from '../parts/ConfirmButton';
import { Field, textOf, Tick } from '../parts/fields';
import { useNotice } from '../parts/Notice';
import { Cancel, Window } from '../parts/Window';
import { UPDATE_ROLE } from './documents';

const CREATE_ROLE = graphql(`
  mutation CreateRole($input: CreateRoleInput!) {
    createRole(input: $input) {
      role {
        ...MatrixRole
      }
      errors {
        code
        message
        path
      }
    }
  }
`);

const DELETE_ROLE = graphql(`
  mutation DeleteRole($input: DeleteRoleInput!) {
    deleteRole(input: $input) {
      deletedId
      errors {
        code
        message
        path
      }
    }
  }
`);

interface RoleWindowProps {
  /** Null for one to add. */
  role: MatrixRoleFragment | null;
  onClose(): void;
}

export function RoleWindow({ role, onClose }: RoleWindowProps) {
  const creation = useAction(CREATE_ROLE);
  const update = useAction(UPDATE_ROLE);
  const { outcome } = role === null ? creation : update;
  const tell = useNotice();
  const title = role === null ? 'Add a role' : `Change ${role.displayName}`;

  async function submit(values: FormData) {
    const said = { displayName: String(values.get('displayName')), description: textOf(values, 'description') };
    const payload =
      role === null
        ? await creation.run({ input: { ...said, name: String(values.get('name')) } })
        : await update.run({ input: { ...said, id: role.id, active: values.has('active') } });
    if (payload === null) return;
    onClose();
    tell(role === null ? 'The role was added; now choose what it grants.' : 'The role has been changed.');
  }

  return (
    <Window title={title} open busy={outcome.running} onClose={onClose}>
      <ActionForm
        outcome={outcome}
        submitLabel={role === null ? 'Add' : 'Save'}
        onSubmit={(values) => void submit(values)}
        beside={<Cancel onClose={onClose} busy={outcome.running} />}
      >
        {role === null && (
          <Field name="name" label="Name" isRequired autoFocus hint="In capitals, e.g. NIGHT_AUDITOR. It stays for good." />
        )}
        <Field name="displayName" label="Display name" defaultValue={role?.displayName ?? ''} isRequired />
        <Field name="description" label="Description" defaultValue={role?.description ?? ''} long />
        {role !== null && (
          <Tick name="active" defaultChecked={role.active}>
            Active: it grants what it says
          </Tick>
        )}
      </ActionForm>
      {role !== null && (
        <ConfirmButton
          label="Delete the role"
          question={`${role.displayName} is deleted for good. Nobody may hold it any more.`}
          done={`${role.displayName} was deleted.`}
          document={DELETE_ROLE}
          input={() => ({ id: role.id })}
          danger
          onDone={onClose}
        />
      )}
    </Window>
  );
}
