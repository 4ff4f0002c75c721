// Roles, hotels and the permissions that follow, with buttons to give and take.
import { Link } from 'react-router';
import { graphql } from '../generated';
import type { AccessFragment } from '../generated/graphql';
import { useViewer } from '../shell/viewer';
import { BulkAssignment } from '../users/BulkAssignment';

graphql(`
  fragment Access on User {
    id
    hotelScope
    permissions
    roles {
      id
      displayName
      active
    }
    hotels(first: 100) {
      nodes {
        id
        name
      }
      pageInfo {
        hasNextPage
      }
    }
  }
`);

export function Access({ user }: { user: AccessFragment }) {
  const { may } = useViewer();
  return (
    <section className="card" aria-labelledby="access">
      <h2 id="access">Access</h2>
      <h3>Roles</h3>
      <ul className="chips" aria-label="Roles">
        {user.roles.map((role) => (
          <li key={role.id}>{role.active ? role.displayName : `${role.displayName} (inactive)`}</li>
        ))}
        {user.roles.length === 0 && <li>none</li>}
      </ul>
      <h3>{user.hotelScope === 'ALL' ? 'Hotels: every one' : 'Hotels'}</h3>
      <ul className="chips" aria-label="Hotels">
        {user.hotels.nodes.map((hotel) => (
          <li key={hotel.id}>
            <Link to={`/hotels/${encodeURIComponent(hotel.id)}`}>{hotel.name}</Link>
          </li>
        ))}
        {user.hotels.pageInfo.hasNextPage && <li>and more</li>}
        {user.hotels.nodes.length === 0 && <li>none</li>}
      </ul>
      <h3>Permissions</h3>
      <ul className="chips" aria-label="Permissions">
        {user.permissions.map((permission) => (
          <li key={permission}>
            <code>{permission}</code>
          </li>
        ))}
        {user.permissions.length === 0 && <li>none</li>}
      </ul>
      {may('user:update') && <BulkAssignment users={[user]} />}
    </section>
  );
}
