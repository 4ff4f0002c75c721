// Some of the roles there are. Roles that grant what the person does not hold cannot be given, and are not offered.
import { useQuery } from 'urql';
import { Tick } from '../parts/fields';
import { useViewer } from '../shell/viewer';
import { ROLE_CHOICES } from '../users/UserFilters';

export function RolesField({ name }: { name: string }) {
  const { may } = useViewer();
  const [{ data }] = useQuery({ query: ROLE_CHOICES });
  const roles = data?.roles.nodes.filter((role) => role.permissions.every(may)) ?? [];
  return (
    <fieldset>
      <legend>Roles</legend>
      {roles.map((role) => (
        <Tick key={role.id} name={name} value={role.id}>
          {role.displayName}
        </Tick>
      ))}
    </fieldset>
  );
}
