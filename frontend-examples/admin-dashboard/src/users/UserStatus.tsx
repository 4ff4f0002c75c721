// Whether a user can sign in, and if not, why.
import { graphql } from '../generated';
import type { UserStatusFragment } from '../generated/graphql';
import { Badge } from '../parts/Badge';

graphql(`
  fragment UserStatus on User {
    active
    locked
    emailVerified
  }
`);

export function UserStatus({ user }: { user: UserStatusFragment }) {
  if (!user.active) return <Badge tone="bad">Deactivated</Badge>;
  if (user.locked) return <Badge tone="warning">Locked</Badge>;
  if (!user.emailVerified) return <Badge tone="warning">Not verified</Badge>;
  return <Badge tone="good">Active</Badge>;
}
