// Some of the roles there are. Roles that grant what the person does not hold cannot be given, and are not offered.
import { useQuery } from 'urql';
import { Tick, Ticks } from '../parts/fields';
import { Failure } from '../parts/states';
import { useViewer } from '../shell/viewer';
import { ROLE_CHOICES } from '../users/UserFilters';

export function RolesField({ name }: { name: string }) {
  const { may } = useViewer();
  const [{ data, error }] = useQuery({ query: ROLE_CHOICES });
  const roles = data?.roles.nodes.filter((role) => role.permissions.every(may)) ?? [];
  return (
    <Ticks legend="Roles" name={name}>
      {error !== undefined && <Failure error={error} />}
      {roles.map((role) => (
        <Tick key={role.id} name={name} value={role.id}>
          {role.displayName}
        </Tick>
      ))}
    </Ticks>
  );
}
