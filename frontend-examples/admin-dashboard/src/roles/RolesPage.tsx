// Every role against every permission: who may do what, at a glance, and changed where a role is not built in.
import { useState } from 'react';
import { Link } from 'react-router';
import { useAnswer } from '../api/useAnswer';
import type { MatrixRoleFragment } from '../generated/graphql';
import { Badge } from '../parts/Badge';
import { Failure, Loading } from '../parts/states';
import { useViewer } from '../shell/viewer';
import { MATRIX } from './documents';
import { RoleWindow } from './RoleWindow';
import { useGrants } from './useGrants';

export default function RolesPage() {
  const viewer = useViewer();
  const [{ data, error }, look] = useAnswer({ query: MATRIX });
  const grants = useGrants();
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
      {grants.refusals.map((refusal) => (
        <Failure key={refusal} message={refusal} />
      ))}
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
                    <Grant
                      role={role}
                      permission={name}
                      granted={grants.of(role).includes(name)}
                      may={mayChange && !role.system && viewer.may(name)}
                      onChange={(granted) => void grants.change(role, name, granted)}
                    />
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
  granted: boolean;
  may: boolean;
  onChange(granted: boolean): void;
}

function Grant({ role, permission, granted, may, onChange }: GrantProps) {
  if (!may) return <span aria-label={granted ? 'granted' : 'not granted'} role="img">{granted ? '✓' : '·'}</span>;
  return (
    <input
      type="checkbox"
      aria-label={`${role.displayName}: ${permission}`}
      checked={granted}
      onChange={(event) => void onChange(event.target.checked)}
    />
  );
}
