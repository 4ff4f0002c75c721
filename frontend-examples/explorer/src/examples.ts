// The tabs of a first visit. Each runs as it stands, the first by anybody, the others once signed in.
import checkAccess from './examples/check-access.graphql?raw';
import pageOfUsers from './examples/page-of-users.graphql?raw';
import signIn from './examples/sign-in.graphql?raw';
import userHotelAccess from './examples/user-hotel-access.graphql?raw';
import { NOBODY } from './inside/OwnId';

export const EXAMPLES = [
  { query: signIn },
  { query: pageOfUsers, variables: json({ first: 10, after: null }) },
  { query: userHotelAccess, variables: json({ email: 'manager@hotel1.com' }) },
  { query: checkAccess, variables: json({ me: NOBODY }) },
];

function json(variables: object): string {
  return JSON.stringify(variables, null, 2);
}
