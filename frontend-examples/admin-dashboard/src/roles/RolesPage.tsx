// Every role against every permission: who may do what, at a glance, and changed where a role is not built in.
import { useState } from 'react';
import { Link } from 'react-router';
import { useQuery } from 'urql';
import { useAction } from '../api/useAction';
import { graphql } from '../generated';
import type { MatrixRoleFragment } from '../generated/graphql';
import { Badge } from '../parts/Badge';
import { useNotice } from '../parts/Notice';
import { Failure, Loading } from '../parts/states';
import { useViewer } from '../shell/viewer';
import { RoleWindow } from './RoleWindow';

graphql(`
  fragment MatrixRole on Role {
    id
    name
    displayName
    description
    permissions
    system
    active
  }
`);

const MATRIX = graphql(`
  query RoleMatrix {
    roles(first: 100) {
      nodes {
        ...MatrixRole
      }
    }
    permissions {
      name
      description
    }
  }
`);

export const UPDATE_ROLE = graphql(`
  mutation UpdateRole($input: UpdateRoleInput!) {
    updateRole(input: $input) {
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

export default function RolesPage() {
  const viewer = useViewer();
  const [{ data, error }, look] = useQuery({ query: MATRIX });
  const [open, setOpen] = useState<MatrixRoleFragment | 'new' | null>(null);
  if (data === undefined) return error === undefined ? <Loading /> : <Failure error={error} retry={look} />;
  const mayChange = viewer.may('system:admin') && viewer.hotelScope === 'ALL';
  const roles = data.roles.nodes;
  return (
    <>
      <div className="head">
        <h1>Roles</h1>
        {mayChange && (
          <button type="button" className="primary" onClick={() => void setOpen('new')}>
            Add a role
          </button>
        )}
      </div>
      <div className="scrolls" tabIndex={0} role="region" aria-label="Permission matrix">
        <table className="matrix">
          <thead>
            <tr>
              <th scope="col">Permission</th>
              {roles.map((role) => (
                <th scope="col" key={role.id}>
                  <Link to={`/users?role=${encodeURIComponent(role.id)}`}>{role.displayName}</Link>
                  <br />
                  {role.system && <Badge tone="plain">Built in</Badge>}
                  {!role.active && <Badge tone="warning">Inactive</Badge>}
                  {mayChange && !role.system && (
                    <button type="button" aria-label={`Change ${role.displayName}`} onClick={() => void setOpen(role)}>
                      Change
                    </button>
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {data.permissions.map(({ name, description }) => (
              <tr key={name}>
                <th scope="row">
                  <code>{name}</code>
                  <small>{description}</small>
                </th>
                {roles.map((role) => (
                  <td key={role.id}>
                    <Grant role={role} permission={name} may={mayChange && !role.system && viewer.may(name)} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {open !== null && <RoleWindow role={open === 'new' ? null : open} onClose={() => void setOpen(null)} />}
    </>
  );
}

interface GrantProps {
  role: MatrixRoleFragment;
  permission: string;
  may: boolean;
}

function Grant({ role, permission, may }: GrantProps) {
  const { run, outcome } = useAction(UPDATE_ROLE);
  const tell = useNotice();
  const granted = role.permissions.includes(permission);
  if (!may) return <span aria-label={granted ? 'granted' : 'not granted'} role="img">{granted ? '✓' : '·'}</span>;
  async function change(next: boolean) {
    const permissions = next ? [...role.permissions, permission] : role.permissions.filter((held) => held !== permission);
    const payload = await run({ input: { id: role.id, permissions } });
    if (payload !== null) tell(`${role.displayName} ${next ? 'now grants' : 'no longer grants'} ${permission}.`);
  }
  const refused = outcome.failure ?? outcome.errors[0]?.message;
  return (
    <>
      <input
        type="checkbox"
        aria-label={`${role.displayName}: ${permission}`}
        checked={granted}
        disabled={outcome.running}
        onChange={(event) => void change(event.target.checked)}
      />
      {refused !== undefined && <p role="alert">{refused}</p>}
    </>
  );
}
